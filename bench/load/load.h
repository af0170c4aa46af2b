/* The load generator of the benchmark: what its files share. Times are nanoseconds of CLOCK_MONOTONIC. */
#ifndef SLUICEGATE_LOAD_H
#define SLUICEGATE_LOAD_H
#define _GNU_SOURCE
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <stddef.h>
#include <stdint.h>

#define ANSWER_OCTETS 65536 /* the largest answer that is read; a larger one counts as broken */
#define GROUPS 64           /* senders with a certificate of their own */
#define STATUSES 600

/* histogram.c: latencies in 128 steps per power of two, so within 0.8% */
#define STEPS_BITS 7
#define BUCKETS ((64 - STEPS_BITS) << STEPS_BITS)
typedef struct {
    uint64_t counts[BUCKETS], total, largest;
} histogram;
void histogram_add(histogram *h, uint64_t nanoseconds);
uint64_t histogram_at(const histogram *h, double fraction); /* no smaller than the true value, by 0.8% at most */

/* answer.c: where an HTTP/1.1 answer ends */
enum answer_state { ANSWER_MORE, ANSWER_WHOLE, ANSWER_BROKEN };
typedef struct {
    int status;
    int closes; /* the server said `Connection: close` */
} answer;
enum answer_state answer_read(const char *octets, size_t length, answer *out);

/* options.c: what is sent, where to, how */
typedef struct {
    uint32_t group, expected, length;
    const char *octets;
} frame;

typedef struct {
    frame *frames;
    size_t count, at;
} group;

struct options {
    struct sockaddr_in target, source;
    const char *frames, *ca, *certificates[GROUPS];
    unsigned connections, certificate_count;
    double warmup, seconds, rate, timeout, grace;
};
extern struct options option;
extern group groups[GROUPS];
extern unsigned group_count;
void options_read(int count, char **words);
void frames_read(void);
void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif

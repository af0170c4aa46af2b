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
#define MARKS 8 /* of each kind in one request */

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
    unsigned numbers, devices; /* marks of each kind, and where they are */
    uint32_t number_at[MARKS], device_at[MARKS];
} frame;

typedef struct {
    frame *frames;
    size_t count, at;
} group;

struct options {
    struct sockaddr_in target, source;
    const char *frames, *ca, *certificates[GROUPS];
    unsigned connections, certificate_count;
    uint64_t first;
    double warmup, seconds, rate, timeout, grace;
};
extern struct options option;
extern group groups[GROUPS];
extern unsigned group_count;
extern uint32_t longest_frame;
void options_read(int count, char **words);
void frames_read(void);

/* marks.c: requests that are all different, from a few frames. See marks_write. */
void marks_find(frame *f);
const char *marks_write(const frame *f, uint64_t number, char *room);

void fail(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));

#endif

/* Sends prepared requests over keep-alive connections and says what came back.
 *
 * Closed loop: each connection sends its next request when it has its answer. Open loop (--rate): request i is due at
 * i/rate, whatever became of the others, goes out on the connection that has been idle longest, and its latency counts
 * from when it was due. What is due and was never answered counts with the time that it waited.
 *
 * Frames file: per request group, expected status and length (u32, little-endian), then the octets of a whole HTTP
 * request. Connection k sends those of group k mod groups, with that group's certificate. Each request has a number, from
 * --first on; where its frame has marks, it is written there (marks.c), so that no two requests are the same.
 *
 * Standard output: "start" and "end" at the edges of the measured window, then one line of JSON. */
#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000ull
#define EVENTS 256
#define REDIALS_A_SECOND 200 /* a server that hangs up is not flooded with connections */

typedef struct connection {
    int fd, busy;
    unsigned group;
    SSL *ssl;
    const frame *request;
    const char *octets; /* of the request: the frame's own, or with its number in `room` */
    char *room;
    size_t sent, got;
    uint64_t due;
    struct connection *next_idle;
    char answer[ANSWER_OCTETS];
} connection;

static SSL_CTX *contexts[GROUPS];
static connection *connections, *idle_first[GROUPS], *idle_last[GROUPS];
static histogram latencies;
static uint64_t statuses[STATUSES], unexpected, completed, broken, timed_out, unanswered, reconnects;
static uint64_t start, window_from, window_to; /* the measured window */
static uint64_t begun;                         /* requests of all kinds */
static uint64_t issued;                        /* open loop: the number of the next request */
static int epoll_fd;

static uint64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec;
}

static uint64_t due_at(uint64_t i) { return start + (uint64_t)((double)i * (double)SECOND / option.rate); }
static int measured(uint64_t t) { return t >= window_from && t < window_to; }

/* ---- connections ---- */

static void load_certificates(void) {
    if (option.certificate_count != group_count)
        fail("%u certificates for %u groups", option.certificate_count, group_count);
    for (unsigned g = 0; g < group_count; g++) {
        SSL_CTX *c = contexts[g] = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_min_proto_version(c, TLS1_3_VERSION);
        SSL_CTX_set_verify(c, SSL_VERIFY_PEER, NULL);
        SSL_CTX_set_read_ahead(c, 1); /* one system call a record instead of two */
        const char *pem = option.certificates[g];
        if (!SSL_CTX_load_verify_locations(c, option.ca, NULL) || SSL_CTX_use_certificate_chain_file(c, pem) != 1 ||
            SSL_CTX_use_PrivateKey_file(c, pem, SSL_FILETYPE_PEM) != 1)
            fail("cannot use the certificate of group %u", g);
    }
}

static void rest(connection *c) { /* longest idle goes first */
    connection **last = &idle_last[c->group];
    c->busy = 0;
    c->next_idle = NULL;
    if (*last) (*last)->next_idle = c;
    else idle_first[c->group] = c;
    *last = c;
}

/* Connects and shakes hands, waiting at most the time-out. */
static void dial(connection *c) {
    struct timeval limit = {(time_t)option.timeout, 0};
    int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) fail("socket: %s", strerror(errno));
    setsockopt(c->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (option.source.sin_family && bind(c->fd, (struct sockaddr *)&option.source, sizeof option.source))
        fail("bind: %s", strerror(errno));
    if (connect(c->fd, (struct sockaddr *)&option.target, sizeof option.target)) fail("connect: %s", strerror(errno));
    if (option.ca) {
        c->ssl = SSL_new(contexts[c->group]);
        SSL_set_fd(c->ssl, c->fd);
        X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(c->ssl), inet_ntoa(option.target.sin_addr));
        if (SSL_connect(c->ssl) != 1) {
            ERR_print_errors_fp(stderr);
            fail("the TLS handshake failed");
        }
        SSL_set_mode(c->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    fcntl(c->fd, F_SETFL, O_NONBLOCK);
    struct epoll_event wanted = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data.ptr = c};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, c->fd, &wanted);
}

static void hang_up(connection *c) {
    if (c->ssl) SSL_free(c->ssl);
    c->ssl = NULL;
    close(c->fd);
}

static void redial(connection *c) {
    reconnects++;
    struct timespec pause = {0, (long)(SECOND / REDIALS_A_SECOND)};
    if (reconnects > option.connections) nanosleep(&pause, NULL);
    hang_up(c);
    dial(c);
}

/* Octets moved; 0 if it would block; -1 if the connection is gone. */
static ssize_t move(connection *c, int out) {
    char *in = c->answer + c->got;
    const char *from = out ? c->octets + c->sent : NULL;
    size_t n = out ? c->request->length - c->sent : ANSWER_OCTETS - c->got;
    ssize_t moved;
    if (!c->ssl) {
        moved = out ? send(c->fd, from, n, MSG_NOSIGNAL) : recv(c->fd, in, n, 0);
        if (moved < 0) return errno == EAGAIN || errno == EINTR ? 0 : -1;
        return moved ? moved : -1;
    }
    ERR_clear_error();
    moved = out ? SSL_write(c->ssl, from, (int)n) : SSL_read(c->ssl, in, (int)n);
    if (moved > 0) return moved;
    int why = SSL_get_error(c->ssl, (int)moved);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

/* ---- one request ---- */

static int push(connection *c) {
    while (c->sent < c->request->length) {
        ssize_t n = move(c, 1);
        if (n <= 0) return (int)n;
        c->sent += (size_t)n;
    }
    return 0;
}

static void lost(connection *c, uint64_t *why) {
    if (measured(option.rate > 0 ? c->due : now())) {
        (*why)++;
        if (option.rate > 0) histogram_add(&latencies, now() - c->due);
    }
    redial(c);
    rest(c);
}

static void begin(connection *c, uint64_t due) {
    group *g = &groups[c->group];
    c->request = &g->frames[g->at];
    if (c->request->numbers + c->request->devices && !c->room && !(c->room = malloc(longest_frame))) fail("no memory");
    c->octets = marks_write(c->request, option.first + begun++, c->room);
    g->at = g->at + 1 == g->count ? 0 : g->at + 1;
    c->busy = 1;
    c->sent = c->got = 0;
    c->due = due;
    if (push(c) < 0) lost(c, &broken);
}

static void done(connection *c, const answer *a) {
    uint64_t t = now();
    if (measured(option.rate > 0 ? c->due : t)) {
        completed++;
        statuses[a->status]++;
        if ((uint32_t)a->status != c->request->expected) unexpected++;
        histogram_add(&latencies, t - c->due);
    }
    if (a->closes) redial(c);
    rest(c);
}

static void react(connection *c) {
    if (c->busy && c->sent < c->request->length && push(c) < 0) {
        lost(c, &broken);
        return;
    }
    for (;;) {
        ssize_t n = move(c, 0);
        if (n == 0) return;
        if (n < 0 && !c->busy) { /* an idle connection was closed: no request is lost */
            redial(c);
            return;
        }
        answer a;
        enum answer_state state = ANSWER_BROKEN;
        if (n > 0) {
            c->got += (size_t)n;
            state = c->busy ? answer_read(c->answer, c->got, &a) : ANSWER_BROKEN;
        }
        if (state == ANSWER_MORE) continue;
        if (state == ANSWER_WHOLE) done(c, &a);
        else if (c->busy) lost(c, &broken);
        else redial(c); /* an answer that nobody asked for */
        return;
    }
}

/* ---- the loops ---- */

static connection *take_idle(unsigned g) {
    connection *c = idle_first[g];
    if (c && !(idle_first[g] = c->next_idle)) idle_last[g] = NULL;
    return c;
}

/* Gives idle connections what is due. Returns when the next request is due, or 0 if none can be sent before an answer. */
static uint64_t issue(uint64_t t) {
    static unsigned turn;
    for (;;) {
        uint64_t due = option.rate > 0 ? due_at(issued) : t;
        if (due > t || due >= window_to) return due;
        connection *c = NULL;
        for (unsigned i = 0; i < group_count && !c; i++) c = take_idle(turn++ % group_count);
        if (!c) return 0;
        issued++;
        begin(c, due);
    }
}

static void look_for_time_outs(uint64_t t) {
    static uint64_t last;
    if (t - last < SECOND / 10) return;
    last = t;
    for (unsigned i = 0; i < option.connections; i++)
        if (connections[i].busy && t > connections[i].due + (uint64_t)(option.timeout * (double)SECOND) &&
            option.rate <= 0)
            lost(&connections[i], &timed_out);
}

static void mark(const char *what) {
    puts(what);
    fflush(stdout);
}

static void run(void) {
    struct epoll_event events[EVENTS];
    int marks = 0;
    start = now();
    window_from = start + (uint64_t)(option.warmup * (double)SECOND);
    window_to = window_from + (uint64_t)(option.seconds * (double)SECOND);
    for (;;) {
        uint64_t t = now();
        if (marks == 0 && t >= window_from) mark("start"), marks = 1;
        if (marks == 1 && t >= window_to) mark("end"), marks = 2;
        if (t < window_to) issue(t);
        look_for_time_outs(t);
        int waiting = 0;
        for (unsigned i = 0; marks == 2 && i < option.connections && !waiting; i++) waiting = connections[i].busy;
        int behind = option.rate > 0 && due_at(issued) < window_to;
        if (marks == 2 && option.rate <= 0) return;
        if (marks == 2 && ((!waiting && !behind) || t > window_to + (uint64_t)(option.grace * (double)SECOND))) return;
        if (marks == 2 && behind) issue(t);
        uint64_t until = t + SECOND / 100;
        if (marks < 2) {
            uint64_t edge = marks ? window_to : window_from;
            if (edge < until) until = edge;
            if (option.rate > 0) {
                uint64_t due = due_at(issued);
                /* What is due already waits for a connection: an answer wakes us. */
                if (due > t && due < until) until = due;
            }
        }
        t = now();
        uint64_t pause = until > t ? until - t : 0;
        struct timespec wait = {(time_t)(pause / SECOND), (long)(pause % SECOND)};
        int n = epoll_pwait2(epoll_fd, events, EVENTS, &wait, NULL);
        if (n < 0 && errno != EINTR) fail("epoll: %s", strerror(errno));
        for (int i = 0; i < n; i++) react(events[i].data.ptr);
    }
}

/* What was due in the window and has no answer: it waited at least until now. */
static void count_unanswered(void) {
    if (option.rate <= 0) return;
    uint64_t t = now();
    for (unsigned i = 0; i < option.connections; i++)
        if (connections[i].busy && measured(connections[i].due)) {
            unanswered++;
            histogram_add(&latencies, t - connections[i].due);
        }
    for (; due_at(issued) < window_to; issued++)
        if (measured(due_at(issued))) {
            unanswered++;
            histogram_add(&latencies, t - due_at(issued));
        }
}

static void report(void) {
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    double cpu = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                 (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    printf("{\"seconds\": %.6f, \"completed\": %lu, \"unexpected\": %lu, \"broken\": %lu, \"timed_out\": %lu, "
           "\"unanswered\": %lu, \"reconnects\": %lu, \"own_cpu_seconds\": %.3f, \"statuses\": {",
           option.seconds, completed, unexpected, broken, timed_out, unanswered, reconnects, cpu);
    const char *comma = "";
    for (int s = 0; s < STATUSES; s++)
        if (statuses[s]) printf("%s\"%d\": %lu", comma, s, statuses[s]), comma = ", ";
    printf("}, \"latency_us\": {");
    const struct { const char *name; double fraction; } points[] = {
        {"p50", .5}, {"p90", .9}, {"p99", .99}, {"p999", .999}, {"max", 1}};
    for (int i = 0; i < 5; i++)
        printf("%s\"%s\": %.1f", i ? ", " : "", points[i].name, (double)histogram_at(&latencies, points[i].fraction) / 1e3);
    puts("}}");
}

int main(int count, char **words) {
    options_read(count, words);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    prctl(PR_SET_TIMERSLACK, 1ul); /* or the kernel sends everything up to 50 us late */
    signal(SIGPIPE, SIG_IGN);
    frames_read();
    if (option.ca) load_certificates();
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    connections = calloc(option.connections, sizeof *connections);
    for (unsigned i = 0; i < option.connections; i++) {
        connections[i].group = i % group_count;
        dial(&connections[i]);
        rest(&connections[i]);
    }
    run();
    count_unanswered();
    report();
    return 0;
}

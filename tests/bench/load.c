/* load: fan-out load for a chat server. One thread, epoll. JSON lines on stdout, the last of which is the result.
 *
 *   load --port P [--mode plain|rich|irc|nats|redis] [--clients N] [--senders N] [--silent N] [--rate MESSAGES_PER_S]
 *        [--size BYTES] [--seconds S] [--settle S] [--greets 1] [--idle 1] [--rooms N] [--busy N]
 *        [--pace S] [--tls 1] [--second P] [--window N]
 *
 * Each phase is announced as it begins, so that the server's memory and CPU time can be read at that moment.
 * Every message carries "@@" and 16 hex digits: the monotonic time at which it was sent. A receiver looks for that
 * mark and nothing else, so any protocol that relays the text unchanged can be measured.
 * --rate 0 (the default) is a closed loop: at most --window messages (64) are on their way at any time.
 * --silent N connects N more clients, with a tiny receive buffer, that join and do not read until all is measured.
 * --settle S: it begins when nothing came for S seconds; --greets 1: and when something came to everybody.
 * --idle 1: only join, read what comes, and end when stdin does.
 * --pace S: each joins this long after the one before, or later if the server does not keep up.
 * --tls 1: in TLS, if this was compiled with -DHAVE_TLS -lssl; the server's certificate is not looked at.
 * --second P: every second client connects to this port: there is another node of the same cluster.
 * --rooms N: in rich mode everybody is in this many rooms; --busy N: each sender speaks in one of this many of them.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#ifdef HAVE_TLS
#include <openssl/err.h>
#include <openssl/ssl.h>
#endif

#include "figures.h"

enum { TAIL = 128, MAX_SIZE = 8000, MAX_LINE = MAX_SIZE + 256, MAX_ROOMS = 64 };
enum mode { PLAIN, RICH, IRC, NATS, REDIS, N_MODES };
static const char *const MODES[] = {"plain", "rich", "irc", "nats", "redis"};

struct client {
    int fd, want_write, heard;
    char tail[TAIL]; /* the end of the last read, which may hold half a mark or half a notice */
    int tail_len;
    char *out;
    int out_len, out_cap;
    char *line; /* of a silent client, when it reads at last: the line so far */
    int line_len;
    uint64_t got, told; /* of a silent client: messages that came, and that it was told it missed */
    uint64_t skipped_in; /* and the rooms in which it was told so, a bit for each */
    int told_twice;      /* in one of them */
    void *tls;           /* NULL: in the clear */
};

static struct client *clients;
static int n_clients = 100, n_senders = 10, n_silent, n_rooms = 1, n_busy = 1, port = 8888, second, window = 64, size = 80, greets, idle, tls;
static double rate, seconds = 3, settle = 0.7, pace;
static enum mode mode = PLAIN;
static int ep, counting, closed, silent_closed, silent_know, silent_skips, fan;
static uint64_t sent, delivered, skipped, bytes_in, silent_told, silent_heard;

static uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static double since(uint64_t t) { return (now_ns() - t) / 1e9; }

/* --- Bytes, in TLS or not --- */

#ifdef HAVE_TLS
static ssize_t failed(struct client *c) {
    int error = SSL_get_error(c->tls, 0);
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : EPROTO;
    return error == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}
#endif

static ssize_t receive(struct client *c, char *buf, size_t most) {
#ifdef HAVE_TLS
    size_t k;
    if (c->tls) {
        ERR_clear_error();
        return SSL_read_ex(c->tls, buf, most, &k) ? (ssize_t)k : failed(c);
    }
#endif
    return recv(c->fd, buf, most, 0);
}

static ssize_t transmit(struct client *c) {
#ifdef HAVE_TLS
    size_t k;
    if (c->tls) {
        ERR_clear_error();
        return SSL_write_ex(c->tls, c->out, c->out_len, &k) ? (ssize_t)k : failed(c);
    }
#endif
    return send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
}

/* Do the handshake; who cannot, does not measure. */
static void *handshake(int fd) {
#ifdef HAVE_TLS
    static SSL_CTX *context;
    if (!context) {
        context = SSL_CTX_new(TLS_client_method());
        SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    SSL *made = SSL_new(context);
    SSL_set_fd(made, fd);
    if (SSL_connect(made) == 1)
        return made;
    ERR_print_errors_fp(stderr);
#endif
    (void)fd;
    fprintf(stderr, "no TLS\n");
    exit(1);
}

/* --- Sending --- */

static void watch(int i, int op, int want_write) {
    clients[i].want_write = want_write;
    struct epoll_event ev = {.events = EPOLLIN | (want_write ? EPOLLOUT : 0), .data.u32 = i};
    epoll_ctl(ep, op, clients[i].fd, &ev);
}

static void flush_out(int i) {
    struct client *c = &clients[i];
    while (c->out_len) {
        ssize_t k = transmit(c);
        if (k <= 0)
            break;
        memmove(c->out, c->out + k, c->out_len - k);
        c->out_len -= k;
    }
    if (c->want_write != (c->out_len > 0))
        watch(i, EPOLL_CTL_MOD, c->out_len > 0);
}

static void put(int i, const char *data, int len) {
    struct client *c = &clients[i];
    if (c->out_len + len > c->out_cap) {
        c->out_cap = (c->out_len + len) * 2;
        c->out = realloc(c->out, c->out_cap);
    }
    memcpy(c->out + c->out_len, data, len);
    c->out_len += len;
    flush_out(i);
}

static int preface(char *out, int i) {
    if (mode == RICH) {
        int len = sprintf(out, "GCHAT/1 {\"rooms\":[");
        for (int room = 0; room < n_rooms; room++)
            len += sprintf(out + len, "%s{\"room\":\"r%d\"}", room ? "," : "", room);
        return len + sprintf(out + len, "]}\n");
    }
    if (mode == IRC)
        return sprintf(out, "NICK u%d\r\nUSER u%d 0 * :u\r\n", i, i);
    if (mode == NATS)
        return sprintf(out, "CONNECT {\"verbose\":false,\"pedantic\":false,\"echo\":false}\r\nSUB x 1\r\n");
    if (mode == REDIS && i >= n_senders) /* who subscribes may not publish */
        return sprintf(out, "SUBSCRIBE x\r\n");
    return 0;
}

static int message(char *out, int i) {
    static char text[MAX_SIZE + 1];
    if (!text[0])
        memset(text, 'x', size);
    char mark[MARK + 1];
    sprintf(mark, "@@%016llx", (unsigned long long)now_ns());
    memcpy(text, mark, MARK);
    switch (mode) {
    case RICH:
        return sprintf(out, "{\"type\":\"say\",\"room\":\"r%d\",\"text\":\"%s\"}\n", i % n_busy, text);
    case IRC:
        return sprintf(out, "PRIVMSG #x :%s\r\n", text);
    case NATS:
        return sprintf(out, "PUB x %d\r\n%s\r\n", size, text);
    case REDIS:
        return sprintf(out, "PUBLISH x %s\r\n", text);
    default:
        return sprintf(out, "%s\n", text);
    }
}

/* IRC: "PING :x" wants "PONG :x". NATS: "PING" wants "PONG". */
static void answer_ping(int i, char *buf, int len) {
    char *p = memmem(buf, len, "PING", 4);
    char *end = p ? memchr(p, '\n', buf + len - p) : NULL;
    if (!end || end - p > 200 || (p != buf && p[-1] != '\n'))
        return;
    char answer[256];
    put(i, answer, sprintf(answer, "PONG%.*s\n", (int)(end - p - 4), p + 4));
}

/* Count what notices of skipped messages say; keep the half one at the end for the next read. Few reads hold any. */
static void count_notices(struct client *c, char *p, int len) {
    char line[TAIL], *end = p + len;
    int first = mode == RICH ? *GAP : *SKIPPED, room;
    while ((p = memchr(p, first, end - p))) {
        char *newline = memchr(p, '\n', end - p);
        int size = (newline ? newline : end) - p;
        if (!newline) {
            memcpy(c->tail, p, c->tail_len = size < TAIL ? size : 0);
            return;
        }
        snprintf(line, sizeof line, "%.*s", size, p++);
        skipped += told(line, &room);
    }
}

/* Count the marks in `len` bytes, and keep the half one at the end for the next read. */
static void count_marks(struct client *c, char *p, int len) {
    char *end = p + len;
    uint64_t t = counting ? now_ns() : 0;
    c->tail_len = 0;
    while ((p = memchr(p, '@', end - p))) {
        if (end - p < MARK) {
            c->tail_len = end - p;
            memmove(c->tail, p, c->tail_len);
            return;
        }
        uint64_t sent_at = mark_at(p);
        if (!sent_at) {
            p++;
            continue;
        }
        delivered++;
        if (t > sent_at)
            count_latency((t - sent_at) / 1000);
        p += MARK;
    }
}

/* A silent client reads at last: count its messages, and those that it is told were skipped. */
static void count_lines(struct client *c, const char *p, int len) {
    if (!c->line)
        c->line = malloc(MAX_LINE + 1);
    for (; len--; p++) {
        if (c->line_len < MAX_LINE)
            c->line[c->line_len++] = *p;
        if (*p != '\n')
            continue;
        c->line[c->line_len] = 0;
        c->line_len = 0;
        int room, is_message = strstr(c->line, "@@") != NULL;
        uint64_t missed = is_message ? 0 : told(c->line, &room);
        c->got += is_message;
        silent_heard += is_message + missed;
        if (missed) {
            c->told += missed;
            c->told_twice |= c->skipped_in >> room & 1;
            c->skipped_in |= 1ull << room;
            silent_skips++;
        }
    }
}

static void on_readable(int i) {
    static char buf[1 << 20];
    struct client *c = &clients[i];
    for (;;) {
        memcpy(buf, c->tail, c->tail_len);
        ssize_t k = receive(c, buf + c->tail_len, sizeof buf - TAIL);
        if (k == 0 || (k < 0 && errno != EAGAIN && errno != EINTR)) {
            close(c->fd);
            c->fd = -1;
            i < n_clients ? closed++ : silent_closed++;
            return;
        }
        if (k < 0)
            return;
        bytes_in += k;
        c->heard = 1;
        if (i >= n_clients)
            count_lines(c, buf, k);
        else {
            int len = c->tail_len + k;
            count_marks(c, buf, len);
            count_notices(c, buf, len);
            if (mode == IRC || mode == NATS)
                answer_ping(i, buf, len);
        }
        if (k < 65536)
            return;
    }
}

static void turn(int timeout_ms) {
    struct epoll_event ev[1024];
    int k = epoll_wait(ep, ev, 1024, timeout_ms);
    for (int j = 0; j < k; j++) {
        int i = ev[j].data.u32;
        if (i == n_clients + n_silent) { /* stdin: it ends, and so do we */
            printf("{\"phase\":\"done\",\"closed\":%d}\n", closed);
            exit(0);
        }
        if (clients[i].fd >= 0 && (ev[j].events & (EPOLLIN | EPOLLHUP | EPOLLERR)))
            on_readable(i);
        if (clients[i].fd >= 0 && (ev[j].events & EPOLLOUT))
            flush_out(i);
    }
}

static void run_for(double s) {
    for (uint64_t from = now_ns(); since(from) < s;)
        turn(5);
}

/* Go on until nothing came for `s` seconds, or for `most` seconds, or until `enough` of something came (0: never). */
static void run_until_quiet(double s, double most, const uint64_t *came, uint64_t enough) {
    uint64_t from = now_ns(), last = from;
    for (uint64_t before = bytes_in; since(last) < s && since(from) < most; turn(5)) {
        if (enough && *came >= enough)
            return;
        if (bytes_in != before) {
            before = bytes_in;
            last = now_ns();
        }
    }
}

/* --- The phases --- */

static int open_socket(int i, int receive_buffer) {
    int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
    if (receive_buffer)
        setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(second && i % 2 ? second : port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || connect(fd, (void *)&to, sizeof to)) {
        fprintf(stderr, "connection %d: %s\n", i + 1, strerror(errno));
        exit(1);
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    clients[i].tls = tls ? handshake(fd) : NULL;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

/* Whether everybody was greeted; who is silent has it in its receive buffer. */
static int all_greeted(void) {
    for (int i = 0; i < n_clients + n_silent; i++) {
        struct pollfd p = {.fd = clients[i].fd, .events = POLLIN};
        if (!clients[i].heard && clients[i].fd >= 0 && poll(&p, 1, 0) < 1)
            return 0;
    }
    return 1;
}

static void join_all(void) {
    char out[MAX_LINE];
    for (int i = 0; i < n_clients + n_silent; i++) {
        uint64_t from = now_ns();
        clients[i].fd = open_socket(i, i < n_clients ? 0 : 2048);
        if (i < n_clients)
            watch(i, EPOLL_CTL_ADD, 0);
        put(i, out, preface(out, i));
        if (since(from) > 0.5) /* the listen backlog was full, and whoever is dropped waits for a second */
            pace = pace > 0 ? 2 * pace : 0.001;
        run_for(pace);
        turn(0);
    }
    if (mode == IRC) {
        run_until_quiet(settle, 60, NULL, 0);
        for (int i = 0; i < n_clients + n_silent; i++) {
            put(i, "JOIN #x\r\n", 9);
            if (i % 16 == 15)
                run_for(0.001);
        }
    }
    for (uint64_t from = now_ns(); greets && !all_greeted() && since(from) < 60;)
        run_for(0.05);
    run_until_quiet(settle, 120, NULL, 0); /* joins told to everybody are not what is measured */
}

/* Send what the rate, or the window, allows now. */
static void send_some(double elapsed) {
    static long next;
    char out[MAX_LINE];
    for (int burst = 0; burst < 256 && closed < n_clients; burst++) {
        if (rate > 0 ? sent >= elapsed * rate : (long)(sent * fan - delivered - skipped) >= (long)window * fan)
            return;
        int i = next++ % n_senders;
        if (clients[i].fd < 0)
            continue;
        put(i, out, message(out, i));
        sent++;
    }
}

/* The silent ones read: all that waits for them, and what they are told they missed. */
static void read_silent(void) {
    for (int i = n_clients; i < n_clients + n_silent; i++) {
        int bytes = 1 << 18;
        setsockopt(clients[i].fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        watch(i, EPOLL_CTL_ADD, 0);
    }
    /* The kernel asks a peer that does not read whether it does, and waits for twice as long each time. */
    if (n_silent)
        run_until_quiet(3 * settle + seconds, 60, &silent_heard, sent * n_silent);
    for (int i = n_clients; i < n_clients + n_silent; i++)
        silent_told += clients[i].told,
            silent_know += clients[i].got + clients[i].told == sent && !clients[i].told_twice;
}

static void measure(void) {
    uint64_t start = now_ns();
    delivered = skipped = 0;
    while (since(start) < 0.5 && since(start) < seconds) { /* warm up */
        send_some(since(start));
        turn(1);
    }
    puts("{\"phase\":\"measuring\"}");
    uint64_t from = now_ns(), sent_before = sent, delivered_before = delivered;
    double cpu_before = clock();
    for (counting = 1; since(from) < seconds;) {
        send_some(since(start));
        turn(1);
    }
    counting = 0;
    double wall = since(from), cpu = (clock() - cpu_before) / CLOCKS_PER_SEC;
    uint64_t d = delivered - delivered_before, s = sent - sent_before;
    puts("{\"phase\":\"measured\"}");
    /* What is on its way is not missing: wait for it. */
    run_until_quiet(1.5, 60, &delivered, sent * fan - skipped);
    long left = sent * fan - delivered - skipped, missing = left > 0 ? left : 0; /* skips count a sender's own lines */
    read_silent();
    printf("{\"phase\":\"done\",\"seconds\":%.3f,\"messages\":%lu,\"deliveries\":%lu,\"load_cpu\":%.3f,\"p50_us\":%.0f,"
           "\"p99_us\":%.0f,\"p999_us\":%.0f,\"max_us\":%.0f,\"expected\":%lu,\"missing\":%ld,\"skipped\":%lu,"
           "\"closed\":%d,\"silent_closed\":%d,\"silent_told\":%lu,\"silent_skips\":%d,\"silent_know\":%d}\n",
           wall, s, d, cpu / wall, percentile(.5), percentile(.99), percentile(.999), percentile(1), sent * fan,
           missing, skipped, closed, silent_closed, silent_told, silent_skips, silent_know);
}

/* Every option takes a number, but for the mode's name. */
static void options(int argc, char **argv) {
    const struct { const char *name; int *whole; double *number; } table[] = {
        {"--port", &port, 0}, {"--clients", &n_clients, 0}, {"--senders", &n_senders, 0}, {"--silent", &n_silent, 0},
        {"--size", &size, 0}, {"--greets", &greets, 0}, {"--idle", &idle, 0}, {"--rate", 0, &rate},
        {"--rooms", &n_rooms, 0}, {"--busy", &n_busy, 0}, {"--seconds", 0, &seconds}, {"--settle", 0, &settle},
        {"--pace", 0, &pace}, {"--tls", &tls, 0}, {"--second", &second, 0}, {"--window", &window, 0}};
    int known = argc % 2;
    for (int a = 1; known && a < argc; a += 2) {
        known = 0;
        for (int m = 0; m < N_MODES && !strcmp(argv[a], "--mode"); m++)
            if (!strcmp(argv[a + 1], MODES[m]))
                mode = m, known = 1;
        for (size_t o = 0; o < sizeof table / sizeof *table; o++)
            if (!strcmp(argv[a], table[o].name)) {
                table[o].whole ? (*table[o].whole = atoi(argv[a + 1])) : (*table[o].number = atof(argv[a + 1]));
                known = 1;
            }
    }
    fan = mode == REDIS ? n_clients - n_senders : n_clients - 1;
    known &= n_busy >= 1 && n_busy <= n_rooms && n_rooms <= MAX_ROOMS;
    if (!known || size < 20 || size > MAX_SIZE || n_senders < 1 || n_senders > n_clients || fan < 1) {
        fprintf(stderr,
                "see load.c for the options; sizes are 20..%d, clients >= 2, senders 1..clients, rooms busy..%d\n",
                MAX_SIZE, MAX_ROOMS);
        exit(2);
    }
}

int main(int argc, char **argv) {
    options(argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    clients = calloc(n_clients + n_silent + 1, sizeof *clients);
    ep = epoll_create1(0);
    join_all();
    puts("{\"phase\":\"idle\"}");
    if (idle) {
        clients[n_clients + n_silent].fd = 0;
        watch(n_clients + n_silent, EPOLL_CTL_ADD, 0);
        for (;;)
            turn(-1);
    }
    measure();
    return 0;
}

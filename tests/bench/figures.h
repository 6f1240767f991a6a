/* figures: what received bytes say, and the latencies of them all.
 *
 * The histogram is of microseconds: buckets exact below 64 us, then 32 to each power of two (3 % wide).
 */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MARK = 18, BUCKETS = 4096 };
static uint32_t histogram[BUCKETS];
static uint64_t latencies;

static int bucket_of(uint64_t us) {
    if (us < 64)
        return us;
    int e = 63 - __builtin_clzll(us);
    int b = 64 + (e - 6) * 32 + ((us >> (e - 5)) & 31);
    return b < BUCKETS ? b : BUCKETS - 1;
}

static double bucket_us(int b) {
    if (b < 64)
        return b;
    int e = (b - 64) / 32 + 6;
    return (double)((1ull << e) + ((uint64_t)((b - 64) % 32) << (e - 5)));
}

static double percentile(double p) {
    uint64_t sum = 0;
    for (int b = 0; latencies && b < BUCKETS; b++)
        if ((sum += histogram[b]) >= latencies * p)
            return bucket_us(b);
    return 0;
}

static void count_latency(uint64_t us) {
    histogram[bucket_of(us)]++;
    latencies++;
}

static int hex(char ch) { return ch >= '0' && ch <= '9' ? ch - '0' : ch >= 'a' && ch <= 'f' ? ch - 'a' + 10 : -1; }

/* The time in the mark that begins at `p`, MARK bytes long; 0 if there is none. */
static uint64_t mark_at(const char *p) {
    uint64_t sent_at = 0;
    int digits = 0;
    if (p[1] == '@')
        while (digits < 16 && hex(p[2 + digits]) >= 0)
            sent_at = sent_at << 4 | hex(p[2 + digits++]);
    return digits == 16 ? sent_at : 0;
}

/* Part of a notice of skipped messages: "> (an ellipsis) 12 messages skipped (34-45)", {"type":"gap","room":"r1",...}. */
static const char SKIPPED[] = "\xe2\x80\xa6 ", GAP[] = "gap\",\"room\":\"r";

/* How many messages a notice, or the end of it that begins with one of the above, says were skipped; in which room. */
static uint64_t told(const char *notice, int *room) {
    unsigned long count, from, to;
    const char *p = strstr(notice, GAP);
    if (p)
        return sscanf(p + sizeof GAP - 1, "%d\",\"from\":%lu,\"to\":%lu", room, &from, &to) == 3 ? to - from + 1 : 0;
    *room = 0;
    p = strstr(notice, SKIPPED);
    return p && strstr(p, " skipped (") && sscanf(p + sizeof SKIPPED - 1, "%lu message", &count) == 1 ? count : 0;
}

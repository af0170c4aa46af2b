#include "load.h"

static unsigned bucket_of(uint64_t value) {
    if (value < (2u << STEPS_BITS)) return (unsigned)value;
    unsigned shift = 63u - (unsigned)__builtin_clzll(value) - STEPS_BITS;
    return (shift << STEPS_BITS) + (unsigned)(value >> shift);
}

static uint64_t highest_in(unsigned bucket) {
    if (bucket < (2u << STEPS_BITS)) return bucket;
    unsigned shift = (bucket >> STEPS_BITS) - 1;
    uint64_t step = bucket - ((uint64_t)shift << STEPS_BITS);
    return ((step + 1) << shift) - 1;
}

void histogram_add(histogram *h, uint64_t nanoseconds) {
    h->counts[bucket_of(nanoseconds)]++;
    h->total++;
    if (nanoseconds > h->largest) h->largest = nanoseconds;
}

uint64_t histogram_at(const histogram *h, double fraction) {
    uint64_t wanted = (uint64_t)(fraction * (double)h->total + 0.999999), seen = 0;
    if (wanted < 1) wanted = 1;
    for (unsigned i = 0; i < BUCKETS; i++) {
        seen += h->counts[i];
        if (seen >= wanted) {
            uint64_t value = highest_in(i);
            return value < h->largest ? value : h->largest;
        }
    }
    return h->largest;
}

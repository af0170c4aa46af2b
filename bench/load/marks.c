#include "load.h"
#include <string.h>

#define DIGITS 10
#define NUMBER "%%%%%%%%%%"     /* the number in ten digits */
#define DEVICE "##-##-##-##-##" /* five octets of an EUI-64, from the number */

/* Times this, modulo 10^10: every number has a device of its own (it shares no factor with 10), and devices that follow
 * each other are far apart, as real ones are, so that a database cannot keep one corner of its index in memory. */
#define SCATTER 618033989ull
#define DEVICES 10000000000ull

static unsigned find(const frame *f, const char *mark, uint32_t *at) {
    size_t length = strlen(mark);
    unsigned found = 0;
    for (uint32_t i = 0; i + length <= f->length && found < MARKS; i++)
        if (!memcmp(f->octets + i, mark, length)) {
            at[found++] = i;
            i += (uint32_t)length - 1;
        }
    return found;
}

void marks_find(frame *f) {
    f->numbers = find(f, NUMBER, f->number_at);
    f->devices = find(f, DEVICE, f->device_at);
}

static void digits(char *out, uint64_t value) {
    for (int i = DIGITS - 1; i >= 0; i--, value /= 10) out[i] = (char)('0' + value % 10);
}

/* A frame's octets with a number at its marks, in `room`, which has space for them; without marks, the frame's own. */
const char *marks_write(const frame *f, uint64_t number, char *room) {
    char plain[DIGITS], device[DIGITS];
    if (!f->numbers && !f->devices) return f->octets;
    memcpy(room, f->octets, f->length);
    number %= DEVICES;
    digits(plain, number);
    digits(device, number * SCATTER % DEVICES);
    for (unsigned m = 0; m < f->numbers; m++) memcpy(room + f->number_at[m], plain, DIGITS);
    for (unsigned m = 0; m < f->devices; m++)
        for (int i = 0; i < DIGITS; i++) room[f->device_at[m] + (unsigned)(i / 2 * 3 + i % 2)] = device[i];
    return room;
}

#include "load.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The value of a field, or NULL. `head` ends with an empty line; names are compared without regard to case. */
static const char *field(const char *head, const char *end, const char *name) {
    size_t n = strlen(name);
    for (const char *line = head; line < end;) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next) return NULL;
        line = next + 1;
        if ((size_t)(end - line) > n && strncasecmp(line, name, n) == 0 && line[n] == ':') {
            line += n + 1;
            while (line < end && (*line == ' ' || *line == '\t')) line++;
            return line;
        }
    }
    return NULL;
}

enum answer_state answer_read(const char *octets, size_t length, answer *out) {
    const char *gap = memmem(octets, length, "\r\n\r\n", 4);
    if (!gap) return length >= ANSWER_OCTETS ? ANSWER_BROKEN : ANSWER_MORE;
    if (length < 12 || memcmp(octets, "HTTP/1.", 7) != 0) return ANSWER_BROKEN;
    for (int i = 9; i < 12; i++)
        if (!isdigit((unsigned char)octets[i])) return ANSWER_BROKEN;
    out->status = atoi(octets + 9);
    if (out->status < 200 || out->status >= STATUSES) return ANSWER_BROKEN;
    const char *end = gap + 4, *value = field(octets, end, "connection");
    out->closes = value && strncasecmp(value, "close", 5) == 0;
    if ((value = field(octets, end, "content-length"))) {
        char *last;
        unsigned long body = strtoul(value, &last, 10);
        if (last == value || body > ANSWER_OCTETS) return ANSWER_BROKEN;
        size_t whole = (size_t)(end - octets) + body;
        if (length > whole) return ANSWER_BROKEN; /* one request, one answer: nothing may follow */
        return length == whole ? ANSWER_WHOLE : ANSWER_MORE;
    }
    value = field(octets, end, "transfer-encoding");
    if (!value || strncasecmp(value, "chunked", 7) != 0) return ANSWER_BROKEN;
    /* Nothing follows the answer, so the last chunk stands at the end of what was read. */
    size_t body = length - (size_t)(end - octets);
    if (body >= 5 && memcmp(octets + length - 5, "0\r\n\r\n", 5) == 0 && (body == 5 || octets[length - 6] == '\n'))
        return ANSWER_WHOLE;
    return length >= ANSWER_OCTETS ? ANSWER_BROKEN : ANSWER_MORE;
}

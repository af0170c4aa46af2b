#include "load.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct options option = {.connections = 32, .warmup = 1, .seconds = 4, .timeout = 5, .grace = 2};
group groups[GROUPS];
unsigned group_count;
uint32_t longest_frame;

void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    exit(2);
}

void frames_read(void) {
    int fd = open(option.frames, O_RDONLY);
    struct stat facts;
    if (fd < 0 || fstat(fd, &facts)) fail("cannot read the frames file: %s", strerror(errno));
    size_t size = (size_t)facts.st_size, at = 0;
    char *all = malloc(size + 1);
    for (size_t got = 0; got < size;) {
        ssize_t n = read(fd, all + got, size - got);
        if (n <= 0) fail("cannot read the frames file");
        got += (size_t)n;
    }
    close(fd);
    while (at + 12 <= size) {
        frame f;
        memcpy(&f, all + at, 12);
        f.octets = all + at + 12;
        if (f.group >= GROUPS || f.length == 0 || f.length > size - at - 12) fail("the frames file is damaged");
        marks_find(&f);
        if (f.length > longest_frame) longest_frame = f.length;
        group *g = &groups[f.group];
        if ((g->count & (g->count + 1)) == 0) g->frames = realloc(g->frames, 2 * (g->count + 1) * sizeof f);
        g->frames[g->count++] = f;
        if (f.group >= group_count) group_count = f.group + 1;
        at += 12 + f.length;
    }
    if (!group_count) fail("the frames file is empty");
    for (unsigned g = 0; g < group_count; g++)
        if (!groups[g].count) fail("group %u has no requests", g);
    if (option.connections < group_count) fail("fewer connections than groups");
}

static void address(struct sockaddr_in *out, char *text) {
    char *colon = strchr(text, ':');
    if (colon) *colon = 0;
    out->sin_family = AF_INET;
    out->sin_port = htons((uint16_t)(colon ? atoi(colon + 1) : 0));
    if (inet_pton(AF_INET, text, &out->sin_addr) != 1) fail("'%s' is not an IPv4 address", text);
}

void options_read(int count, char **words) {
    if (count % 2 == 0) fail("every option has one value");
    for (int i = 1; i < count; i += 2) {
        const char *name = words[i];
        char *value = words[i + 1];
        if (!strcmp(name, "--target")) address(&option.target, value);
        else if (!strcmp(name, "--source")) address(&option.source, value);
        else if (!strcmp(name, "--frames")) option.frames = value;
        else if (!strcmp(name, "--connections")) option.connections = (unsigned)atoi(value);
        else if (!strcmp(name, "--warmup")) option.warmup = atof(value);
        else if (!strcmp(name, "--seconds")) option.seconds = atof(value);
        else if (!strcmp(name, "--rate")) option.rate = atof(value);
        else if (!strcmp(name, "--timeout")) option.timeout = atof(value);
        else if (!strcmp(name, "--grace")) option.grace = atof(value);
        else if (!strcmp(name, "--first")) option.first = strtoull(value, NULL, 10);
        else if (!strcmp(name, "--ca")) option.ca = value;
        else if (!strcmp(name, "--certificate") && option.certificate_count < GROUPS)
            option.certificates[option.certificate_count++] = value;
        else fail("unknown option %s", name);
    }
    if (!option.frames || !option.target.sin_port) fail("--target and --frames are needed");
    if (option.connections < 1 || option.connections > 10000) fail("1 to 10000 connections");
}

/* What goes to the output import. The host must have all of it whenever it stops
   the program, so nothing lies here while the program goes on. But `print` writes a
   line in pieces: they are gathered until the line ends or the call that wrote them
   has returned. */
#include "shim.h"

#include "sandbox.h"
#include <string.h>

/* The host refuses larger calls. */
#define LARGEST_WRITE ((size_t)1 << 20)

/* What is longer has cost its writer more than the call to the host does. */
#define GATHERED 1024

static uint8_t gathered[GATHERED];
static size_t gathered_length;
static int gathered_for;

static void send(int descriptor, const uint8_t *next, size_t length) {
    while (length > 0) {
        size_t now = length < LARGEST_WRITE ? length : LARGEST_WRITE;
        sandbox_list_u8_t list = {(uint8_t *)next, now};
        eryx_runtime_output_write(descriptor == 1 ? ERYX_RUNTIME_OUTPUT_STREAM_STDOUT
                                                  : ERYX_RUNTIME_OUTPUT_STREAM_STDERR,
                                  &list);
        next += now;
        length -= now;
        eryx_breaker_waited();
    }
}

void eryx_send_output(void) {
    size_t length = gathered_length;
    gathered_length = 0;
    send(gathered_for, gathered, length);
}

void eryx_write_output(int descriptor, const void *bytes, size_t length) {
    if (descriptor != gathered_for || length > GATHERED - gathered_length) {
        eryx_send_output();
    }
    if (length == 0 || length > GATHERED) {
        send(descriptor, bytes, length);
        return;
    }
    memcpy(gathered + gathered_length, bytes, length);
    gathered_length += length;
    gathered_for = descriptor;
    if (gathered[gathered_length - 1] == '\n') {
        eryx_send_output();
    } else {
        eryx_breaker_send();
    }
}

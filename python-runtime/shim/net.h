/* What net.c and tls.c know of each other. */
#ifndef ERYX_NET_H
#define ERYX_NET_H

#include "shim.h"

#include "sandbox.h"

/* Raises `_eryx_net.Failure` and frees the failure; returns NULL. */
PyObject *eryx_net_raise(eryx_net_types_failure_t *failure);

/* Turns a list into `bytes` and frees it. */
PyObject *eryx_net_bytes(sandbox_list_u8_t *list);

/* Bytes that one call lends the host: it takes no more at once, and counts what it is
   lent. Whoever has more gives the rest later. */
#define ERYX_NET_MOST_BYTES (1 << 20)

/* The front of a buffer, as much of it as one call lends. */
sandbox_list_u8_t eryx_net_front(const Py_buffer *buffer);

/* tls.c: functions of the module `_eryx_net`. */
extern PyMethodDef eryx_tls_methods[];

#endif

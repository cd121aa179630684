/* What net.c and tls.c know of each other. */
#ifndef ERYX_NET_H
#define ERYX_NET_H

#include "shim.h"

#include "sandbox.h"

/* Raises `_eryx_net.Failure` and frees the failure; returns NULL. */
PyObject *eryx_net_raise(eryx_net_types_failure_t *failure);

/* Turns a list into `bytes` and frees it. */
PyObject *eryx_net_bytes(sandbox_list_u8_t *list);

/* tls.c: functions of the module `_eryx_net`. */
extern PyMethodDef eryx_tls_methods[];

#endif

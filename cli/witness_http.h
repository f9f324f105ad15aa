/*
 * A witness over HTTP (C2SP tlog-witness), by libmicrohttpd: POST
 * PREFIX/add-checkpoint and, for monitors, GET PREFIX/HEX/checkpoint; nothing
 * else. One thread does all of it, so requests are taken one after the other.
 */
#ifndef MM_WITNESS_HTTP_H
#define MM_WITNESS_HTTP_H

#include <signal.h>

#include "audit/witness.h"

struct mm_witness_http;

/* Serves on a listening socket, which is taken where it goes well. */
enum mm_error mm_witness_http_open(struct mm_cosigner *cosigner, int listener,
    struct mm_witness_http **out) mm_must_use;
void mm_witness_http_close(struct mm_witness_http *http);
/* Until *stop is set by a signal that `unblocked` lets through. */
enum mm_error mm_witness_http_run(struct mm_witness_http *http,
    const sigset_t *unblocked, const volatile sig_atomic_t *stop) mm_must_use;

#endif

/*
 * One HTTP request and its answer, by libcurl: for the few things that the
 * appliance leaves to others because it speaks no HTTP. Only http and https,
 * no redirects, a limit on time and on size.
 */
#ifndef MM_HTTP_H
#define MM_HTTP_H

#include "protocol/bytes.h"

enum { MM_HTTP_BODY_MAX = 65536 };

/*
 * POSTs `body`, or GETs where its data is NULL. Appends the answer's body;
 * `status` is the server's, whatever it says. MM_E_WITNESS_AWAY where there is
 * no whole answer.
 */
enum mm_error mm_http(const char *url, struct mm_span body, long *status,
    struct mm_buffer *out) mm_must_use;

#endif

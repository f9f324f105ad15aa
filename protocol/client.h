/*
 * The client library that `mintmark` is built on: one TLS 1.3 connection to
 * the appliance, requests and answers in order or pipelined.
 *
 * An identity is a directory: key.pem, certificate.pem (with its chain),
 * access-ca.pem, appliance (one line: host:port, then the name to expect),
 * log.vkey.
 */
#ifndef MM_CLIENT_H
#define MM_CLIENT_H

#include "protocol/message.h"

struct mm_client;

/* Connects and shakes hands within `seconds`: MM_E_AWAY, MM_E_TLS; MM_E_FILE
 * and MM_E_FORMAT where it is the identity that is wrong. */
enum mm_error mm_client_open(
    const char *identity, unsigned seconds, struct mm_client **out) mm_must_use;
void mm_client_close(struct mm_client *client);
/* The connection's socket, for poll; it stays the client's. */
int mm_client_fd(const struct mm_client *client);
/* A descriptor that ends mm_client_receive()'s wait when it can be read:
 * MM_E_STOPPED, and the connection goes on. -1, as at first: none. */
void mm_client_watch(struct mm_client *client, int fd);

/* Sends a request with a fresh random id, which goes to `id`. */
enum mm_error mm_client_send(struct mm_client *client, uint64_t type,
    const void *body, uint8_t id[MM_ID_SIZE]) mm_must_use;
/* Sends it with the id that the caller gives: a retry. */
enum mm_error mm_client_send_again(struct mm_client *client, uint64_t type,
    const void *body, const uint8_t id[MM_ID_SIZE]) mm_must_use;

/*
 * Receives the next answer, to whichever request. The body is decoded by the
 * type's answer shape into the arena. The appliance's own errors come back
 * as their enum mm_error with its text in mm_why().
 */
enum mm_error mm_client_receive(struct mm_client *client,
    struct mm_arena *arena, uint8_t id[MM_ID_SIZE], void *answer) mm_must_use;

/* Request and answer in one. */
enum mm_error mm_client_call(struct mm_client *client, uint64_t type,
    const void *body, struct mm_arena *arena, void *answer) mm_must_use;

/*
 * Uploads an image's bytes in chunks, from where the appliance has them
 * already from a connection that was lost; `upload` is for the submission.
 * `tell` (may be NULL) hears how many of the bytes are there, ascending; each
 * of its numbers but the image's size is a multiple of MM_CHUNK_MAX, or where
 * a lost connection ended. `least` bytes have arrived before: as long as the
 * appliance has fewer at hand, since it has not seen yet that their connection
 * is lost, nothing is uploaded and the error is MM_E_AWAY. MM_E_PEER: the
 * appliance has more than there is.
 */
typedef void mm_upload_tell(void *self, uint64_t done, uint64_t size);
enum mm_error
mm_client_upload(struct mm_client *client, struct mm_span image, uint64_t least,
    mm_upload_tell *tell, void *self, uint64_t *upload) mm_must_use;

#endif

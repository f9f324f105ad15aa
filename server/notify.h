/*
 * Tells systemd how it goes, as sd_notify(3) describes: one datagram. Made
 * by hand, because libsystemd would bring four compression libraries into
 * the process that holds the token.
 */
#ifndef MM_NOTIFY_H
#define MM_NOTIFY_H

/* Remembers $NOTIFY_SOCKET; before the environment is cleared. */
void mm_notify_open(void);
/* "READY=1"; does nothing without systemd. */
void mm_notify(const char *state);

#endif

/*
 * The first message every child gets over its control channel: who it is and
 * how this box runs.
 */
#ifndef MM_CONFIGURE_H
#define MM_CONFIGURE_H

#include "policy/settings.h"
#include "protocol/service.h"

struct mm_configure {
	uint64_t process, instance; /* enum mm_process; 0, 1, ... */
	/* With this message comes a descriptor: at genesis the genesis file
	 * to the authority, always the PIN's file to the token. */
	bool genesis;
	bool accept_time;
	bool rebuild; /* authority: make the index anew */
	struct mm_settings settings;
};
extern const struct mm_shape mm_configure_shape;

/* The part of the settings that a process is told. */
struct mm_settings
mm_configure_settings(const struct mm_settings *all, enum mm_process process);

/* Body of MM_CONTROL_TLS to the authority. */
struct mm_control_tls {
	struct mm_span spki;
};
extern const struct mm_shape mm_control_tls_shape;

#endif

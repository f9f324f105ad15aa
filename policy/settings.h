/*
 * Settings: how this box runs (conf/appliance.conf), and nothing about what
 * may be signed. The supervisor reads them, with a cleared environment, and
 * hands each process the part that it needs.
 */
#ifndef MM_SETTINGS_H
#define MM_SETTINGS_H

#include "protocol/shape.h"

struct mm_settings {
	struct mm_span directory; /* where relative paths begin: the file's */
	struct mm_list listen;    /* mm_text_item: "127.0.0.1:7433",
				   * "[::1]:7433" */
	uint64_t gates;           /* processes; 0: one a core */
	struct mm_span state;     /* directories */
	struct mm_span anchor, log_key, tiles, index, token_state;
	struct mm_span token_module, token_uri, token_pin_file;
	struct mm_list token_environment; /* mm_text_item: "NAME=value" */
	struct mm_list token_paths;       /* mm_text_item: what the module may
					   * read and write */
	bool token_vendor;           /* threads, sockets, devices allowed */
	uint64_t token_deadline;     /* seconds a call may take */
	uint64_t image_max;          /* bytes */
	uint64_t image_room;         /* bytes of all images that are kept */
	uint64_t image_days;         /* that one is kept at most */
	uint64_t uploads;            /* at a time, a gate */
	uint64_t connections;        /* at a time, a gate */
	uint64_t connections_source; /* of one address, a gate */
	uint64_t handshake_deadline, frame_deadline, idle_deadline; /* s */
	uint64_t requests_minute; /* of a principal; 0: as many as it likes */
	uint64_t reserve;         /* bytes of disk kept free */
	struct mm_list witnesses; /* mm_text_item: verifier keys of those whose
				   * cosignatures are taken; not judged here */
	/* mm_text_item: "role=user"; empty: no change. For the supervisor
	 * alone: it is not in the shape. */
	struct mm_list users;
};
/* Every member may be left out, for children that do not need it. */
extern const struct mm_shape mm_settings_shape;

/*
 * Reads and checks a file: unknown keys, wrong types and values out of
 * bounds are MM_E_SETTING with file and line. Paths come out absolute, and
 * $CREDENTIALS_DIRECTORY/ in pin-file is the environment's. The file itself
 * must be a regular one that nobody else can write, owned by root or us.
 */
enum mm_error mm_settings_read(const char *path, struct mm_arena *arena,
    struct mm_settings *out) mm_must_use;

#endif

/*
 * mintmark produce: a run over an order, device after device, that whatever
 * happens can be gone on with by saying the same again. Each unit's key is in
 * the journal before its CSR leaves, its files are whole under their name
 * before it counts, and it counts once.
 *
 *   produce.c           the command line; what is checked before anything
 *   produce_run.h       what a run has while it goes on
 *   produce_begin.c     its directory and journal; going on with it
 *   produce_check.c     the list and the order, before anything is made
 *   produce_serials.c   serial numbers that are given, each once
 *   produce_explain.c   whether journal and units are of one time
 *   produce_memory.c    memory that can be locked
 *   produce_work.c      windows of units, one after the other
 *   produce_ask.c       the appliance: requests pipelined, asked again
 *   produce_finish.c    files, hook, rows, the commit
 *   produce_scrap.c     a unit that failed for good
 *   produce_report.h    what people and scripts are told
 *   produce_list.h      the devices
 *   produce_journal.h   units that are begun
 *   produce_files.h     directories of units
 *   produce_rows.h      done, results.csv, the registration
 *   produce_hook.h      the operator's program
 *   produce_stop.h      Ctrl-C
 *   produce_seen.h      sets of devices
 */
#ifndef MM_PRODUCE_RUN_H
#define MM_PRODUCE_RUN_H

#include "cli/appliance.h"
#include "cli/produce_files.h"
#include "cli/produce_hook.h"
#include "cli/produce_list.h"
#include "cli/produce_report.h"
#include "cli/produce_rows.h"
#include "factory/der.h"
#include "log/receipt.h"

enum { MM_RUN_WHY = 1024, MM_RUN_SERIAL = 4096 };

enum mm_unit_state {
	MM_UNIT_OPEN,     /* in the journal, and asked for or not */
	MM_UNIT_ANSWERED, /* its certificate is here */
	MM_UNIT_REFUSED,  /* this device is */
	MM_UNIT_HELD,     /* stays in the journal */
	MM_UNIT_OVER      /* made or scrap */
};

/* A unit on its way. */
struct mm_run_unit {
	struct mm_unit *unit;
	size_t slot;
	enum mm_unit_state state;
	bool sent; /* on the connection of now */
	uint8_t id[MM_ID_SIZE];
	char device[MM_UNIT_NAME + 1], name[MM_UNIT_NAME + 1];
	struct mm_arena arena; /* of the answer */
	struct mm_certificate_answer answer;
	uint8_t serial[20]; /* of the certificate */
	uint64_t attempts;  /* of the hook */
	bool scrap;
	enum mm_error error;   /* refused: which */
	char why[MM_HOOK_WHY]; /* refused or scrap */
};
struct mm_window {
	struct mm_run_unit units[MM_JOURNAL_WINDOW];
	size_t count;
};
enum { MM_RUN_WINDOWS = 2 }; /* that are open at a time */

/* What keeps units from their answers, since the last one that came. */
struct mm_run_trouble {
	enum mm_error error; /* MM_OK: nothing */
	char why[MM_RUN_WHY];
	unsigned pause; /* seconds; 0: that was waited for */
	uint64_t since;
	bool told;
};

struct mm_run {
	const struct mm_invocation *invocation;
	const char *directory;
	const char *order;
	char profile[MM_JOURNAL_NAME + 1];
	struct mm_appliance appliance;
	struct mm_client *client; /* NULL: no connection */
	uint64_t asked;           /* seconds: when it was last used */
	struct mm_run_trouble trouble;
	struct mm_receipt_memory receipts;
	struct mm_production *production;
	struct mm_production_facts facts;
	bool changed; /* it is another one than the run was begun with */
	bool plain_keys;
	struct mm_hook hook; /* command NULL: none */

	struct mm_device_list list;
	size_t row; /* the list's next */
	struct mm_unit_files files;
	struct mm_run_journal journal;
	struct mm_flash_secret sealing; /* room for a unit on its way there */
	struct mm_journal_head head;    /* as it will be committed */
	struct mm_rows rows;
	struct mm_seen devices; /* enum mm_device_fate */
	struct mm_seen names;   /* of directories */
	struct mm_run_serials {
		struct mm_seen made;           /* with lines of results.csv */
		char device[MM_UNIT_NAME + 1]; /* that was typed last */
		struct mm_buffer last;         /* and its serial number */
	} serials;

	/* Units of the journal that come first; they lie there until then. */
	struct mm_resumed {
		char device[MM_UNIT_NAME + 1];
		uint64_t ordinal;
		size_t slot;
	} resumed[MM_JOURNAL_SLOTS];
	size_t resumed_count, resumed_next;

	size_t window; /* units that are made together */
	struct mm_window *windows;
	struct mm_stop stop;
	struct mm_run_report report;
	/* Why the run ends before its end; the first such. */
	enum mm_error fault;
	char why[MM_RUN_WHY];
	bool broken; /* nothing can be committed any more */
};

/* What makes the run end: kept with its words, once. Returns the error. */
enum mm_error mm_run_fail(struct mm_run *run, enum mm_error error);

/* --- produce_begin.c --- */

/* Lock, journal, files, units that wait; then mm_run_check(). */
enum mm_error mm_run_begin(struct mm_run *run) mm_must_use;
void mm_run_end(struct mm_run *run);
/* What a unit is made by, of a row of the list or a device that was typed. */
struct mm_unit_terms
mm_run_terms(const struct mm_run *run, const struct mm_label_values *given);

/* --- produce_check.c --- */

/* List, order and disk. */
enum mm_error mm_run_check(struct mm_run *run) mm_must_use;
/* Whether all values of a unit are there, and fit (mm_production_check());
 * what is not is a file's fault. */
enum mm_error mm_run_try(
    const struct mm_run *run, const struct mm_unit_terms *terms) mm_must_use;
/* The error of a device with its line of the list, where it has one. */
enum mm_error mm_run_item_wrong(const struct mm_run *run,
    const struct mm_list_item *item, enum mm_error error);

/* --- produce_serials.c --- */

/* Those of units that were made, by results.csv. */
enum mm_error mm_run_serials_read(struct mm_run *run) mm_must_use;
/* Whether a device may have the one that it is given. MM_E_FORMAT. */
enum mm_error mm_run_serial_check(
    struct mm_run *run, const struct mm_list_item *item) mm_must_use;
void mm_run_serials_clear(struct mm_run *run);

/* --- produce_explain.c --- */

/*
 * Before anything is cut or cleared: each unit that is there is known to the
 * journal, as one that is over, or as one that waits in a slot
 * (run->resumed). MM_E_FORMAT: it is an older one, or damaged.
 */
enum mm_error mm_run_explain(const struct mm_run *run) mm_must_use;

/* --- produce_memory.c --- */

/* As much may be locked as the hard limit allows. */
void mm_memory_allow(void);
/* Before any key is there: lowers run->window until its units' keys can be
 * locked. MM_E_SYSTEM: not even one unit's. */
enum mm_error mm_memory_fit(struct mm_run *run) mm_must_use;

/* --- produce_work.c --- */

/* Tells of a device that is no unit of this run: one that is over already, or
 * MM_DEVICE_REFUSED for `error`. */
void mm_run_aside(struct mm_run *run, struct mm_span device, uint64_t fate,
    enum mm_error error);

/* Until the list's end, a fault or a stop. What was begun is over, or in the
 * journal. */
void mm_run_work(struct mm_run *run);

/* --- produce_ask.c --- */

/* Sends what of the window is open; what goes wrong is seen in receiving. */
void mm_window_send(struct mm_run *run, struct mm_window *window);
/* Until no unit of it is open. For each answer one of `next`, which may be
 * NULL, is sent, so that the appliance always has as many to do. */
void mm_window_receive(
    struct mm_run *run, struct mm_window *window, struct mm_window *next);
/* The certificate is what was asked for, and proven by its receipt; its serial
 * number. The errors of mm_certificate_answer_check(). */
enum mm_error
mm_unit_answer_check(struct mm_run *run, struct mm_run_unit *unit) mm_must_use;

/* --- produce_scrap.c --- */

/*
 * What is decided is kept in the unit's directory, before the appliance is
 * told, so that no crash makes a good unit of what was reported. The first
 * writes the file `scrap`, which the run's key proves; the second gives what an
 * earlier run decided, MM_OK and unit->scrap, or nothing: also where a hook has
 * made a file of that name.
 */
enum mm_error mm_unit_scrap_keep(
    const struct mm_run *run, const struct mm_run_unit *unit) mm_must_use;
enum mm_error mm_unit_scrap_kept(
    const struct mm_run *run, struct mm_run_unit *unit) mm_must_use;
/* Tells the appliance. */
enum mm_error mm_unit_scrap_tell(
    const struct mm_run *run, const struct mm_run_unit *unit) mm_must_use;
/* The file's bytes. */
void mm_unit_scrap_text(const struct mm_run *run,
    const struct mm_run_unit *unit, struct mm_buffer *out);

/* --- produce_finish.c --- */

/* What was answered is checked, gets its files, its hook and its rows, and is
 * committed; the window is empty then. */
void mm_window_finish(struct mm_run *run, struct mm_window *window);

#endif

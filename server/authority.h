/*
 * The authority: it decides. Requests come from the gates, are judged when
 * the former batch is stored, become entries of the next batch, and are
 * answered when their signature is stored too.
 *
 *   authority.c           the process: links, start, stop
 *   authority_start.c     catching up with the log, the token's following
 *   authority_batch.c     what goes into the next batch; what its answer does
 *   authority_signing.c   the token: what it is asked, deadlines, voids
 *   authority_issue.c     device certificates and our own TLS certificate
 *   authority_release.c   images: inspection and decision
 *   authority_statement.c orders and principals
 *   authority_export.c    exports, put on record
 *   authority_read.c      what is answered from index and log as they are
 *   authority_audit.c     what auditors and witnesses read
 *   authority_reading.c   calls to the archive
 *   authority_answer.c    answers and receipts
 *   authority_issuers.c   the CAs' certificates and chains
 *   authority_refusals.c  refusals, coalesced
 *   authority_genesis.c   the birth of a log
 */
#ifndef MM_AUTHORITY_H
#define MM_AUTHORITY_H

#include <ev.h>
#include <time.h>

#include "hsm/token.h"
#include "log/archive.h"
#include "policy/clock.h"
#include "server/ask.h"
#include "server/configure.h"
#include "server/index.h"
#include "server/link.h"
#include "signer/image.h"

enum {
	MM_GATES_MAX = 64,
	MM_JOBS_MAX = 4096,       /* waiting for a decision */
	MM_JOBS_BYTES = 16 << 20, /* of their bodies */
	MM_ISSUERS_MAX = 8,
	MM_ITEMS_MAX = 2048, /* decided, and not yet signed and stored */
	MM_REFERENCES_MAX = 1 + MM_CHAIN_MAX, /* that one item rests on */
	MM_REFUSALS_MAX = 1024,
	MM_POLICY_ARENA = 4 << 20
};

/* A request on its way to its answer; each is in exactly one place. */
struct mm_job {
	struct mm_job *next;
	struct mm_arena arena;
	uint64_t gate, life; /* instance, and which of its processes */
	struct mm_ask ask;
	struct mm_principal principal; /* as of the decision */
	struct mm_inspect_answer inspected;
	struct mm_statement_answer stated; /* the certificate, if any */
	struct mm_link *inspector;
	struct mm_authority *authority;
	uint64_t index; /* of the entry the answer is about */
};

struct mm_jobs {
	struct mm_job *first, **last;
	size_t count, bytes; /* bytes: of their bodies */
};

enum mm_item_state {
	MM_ITEM_DRAFTED,  /* in the batch that is being made or stored */
	MM_ITEM_UNPROVEN, /* stored, but the token cannot be asked yet */
	MM_ITEM_ASKED,    /* with the token, or waiting for it */
	MM_ITEM_SIGNED,   /* the signature waits to be stored */
	MM_ITEM_VOID,     /* will not be signed; to be logged so */
	MM_ITEM_STORING   /* signature or void is in the batch */
};

/* The entries that an item rests on. */
struct mm_rest {
	uint64_t indexes[MM_REFERENCES_MAX];
	size_t count;
};

/* An entry that wants a signature, and who waits for it. */
struct mm_item {
	struct mm_item *next;
	uint64_t index, kind;
	enum mm_item_state state;
	struct mm_buffer entry, note, signature;
	struct mm_proof proof;
	bool receipt; /* note and proof are those of its own batch */
	bool ours;    /* the appliance's own TLS certificate */
	struct mm_rest rest;
	enum mm_error reason; /* of a void */
	unsigned attempts;
	struct mm_jobs waiters;
};

/* One entry of the batch being made, and what becomes of it. */
struct mm_line {
	struct mm_buffer entry;
	struct mm_item *item; /* wants a signature */
	struct mm_job *job;   /* is answered as soon as it is stored */
};

struct mm_batch {
	struct mm_line lines[MM_BATCH_ENTRIES];
	size_t count, bytes;
	struct mm_uint_item references[MM_BATCH_REFERENCES];
	size_t reference_count;
	uint64_t now;        /* of its entries */
	enum mm_error clock; /* why nothing new may be signed, or MM_OK */
	bool open;           /* the notary has it */
	bool closing;        /* nothing but signatures and voids */
	ev_tstamp deadline;  /* when who waits for it has waited enough */
};

/* A request to the token that is not answered yet. */
struct mm_signing {
	struct mm_signing *next;
	uint64_t id; /* 0: no token has it */
	struct mm_arena arena;
	struct mm_token_sign_request request; /* in the arena and the items */
	size_t size;                          /* of the request, about */
};

/* A call to the archive and the job it is for. */
struct mm_reading {
	struct mm_reading *next;
	uint64_t id;
	ev_tstamp deadline;
	struct mm_job *job;
	/* `job` is NULL where nobody but ourselves waits. */
	void (*done)(struct mm_authority *authority, struct mm_job *job,
	    struct mm_received *answer);
};

struct mm_issuer {
	char name[MM_NAME_MAX + 1], issuer[MM_NAME_MAX + 1];
	char profile[MM_NAME_MAX + 1];
	uint64_t index; /* of its entry */
	struct mm_buffer tbs, certificate, spki;
};

struct mm_refused {
	char principal[MM_NAME_MAX + 1], subject[MM_NAME_MAX + 1];
	uint64_t type;
	enum mm_error reason;
	uint64_t count;   /* not logged yet */
	uint64_t storing; /* in the batch */
	ev_tstamp since;
};

struct mm_authority {
	const struct mm_configure *configure;
	struct ev_loop *loop;
	int control;
	ev_io control_io;
	ev_timer tick;
	struct mm_index *index;
	struct mm_link *gates[MM_GATES_MAX], *notary, *token, *archive;
	uint64_t lives[MM_GATES_MAX]; /* processes a gate has had */
	uint64_t calls; /* ids of calls to notary, token, archive */

	/* the log as the notary has it */
	uint64_t size;
	struct mm_buffer note;
	char origin[MM_ORIGIN_MAX + 1];
	char vkey[MM_VKEY_MAX];
	uint8_t policy_digest[32];
	uint64_t policy_index;
	struct mm_arena policy_arena;
	struct mm_policy policy;
	struct mm_clock clock;

	/* start: each step once */
	bool opening, opened, reading, fits, loaded, caught_up, started;
	bool followed, ready, stopping;
	bool anew; /* the index began with nothing in this life */
	uint64_t recover_from;
	ev_tstamp stop_deadline;
	struct mm_arena follow_arena;
	struct mm_list follow; /* mm_token_follow_request, in order */
	size_t follow_answers; /* of the token that is linked now */
	ev_tstamp follow_deadline;

	struct mm_issuer issuers[MM_ISSUERS_MAX];
	size_t issuer_count;
	struct mm_buffer tls_spki; /* of this start */
	struct mm_buffer server;   /* DER: our own TLS certificate */
	ev_tstamp server_due;      /* when a new one is wanted; 0: never */

	struct mm_jobs queue;
	struct mm_jobs inspecting; /* each with its inspector */
	struct mm_batch batch;
	struct mm_item *items; /* ascending indexes */
	size_t item_count;
	struct mm_signing *signings; /* in the order of asking */
	ev_tstamp signing_deadline;  /* of the first that a token has */
	struct mm_reading *readings;
	ev_tstamp published; /* when the archive was told the last time */
	struct mm_refused refusals[MM_REFUSALS_MAX];
	size_t refusal_count;
	ev_tstamp store_again;    /* not before, after the disk was full */
	bool store_short;         /* the last batch found no room */
	enum mm_error start_held; /* why the first batch has to wait */
	bool distrusted;     /* the log is damaged: nothing new goes into it */
	enum mm_error fatal; /* ends the process; its last words: */
	char fatal_why[513];
};

/* --- authority.c --- */
/* Ends the process with an error that the supervisor tells. */
void mm_authority_fail(struct mm_authority *a, enum mm_error error);
/* A copy of a checkpoint: never half of it. */
enum mm_error mm_note_keep(
    struct mm_buffer *kept, struct mm_span note) mm_must_use;
/* The supervisor ends a process that cannot be worked with (topology.h). */
void mm_authority_give_up(
    struct mm_authority *a, uint64_t process, uint64_t instance);
/* The same for a gate, whose link goes at once. */
void mm_authority_drop_gate(struct mm_authority *a, uint64_t instance);
/* Fails in the table's own words, so that the particulars of an earlier
 * fault, perhaps of another client, are not told. */
enum mm_error mm_plain(enum mm_error error);
/* The archive has found the log damaged: says so once, and signs no more. */
void mm_authority_distrust(struct mm_authority *a, struct mm_span why);
uint64_t mm_seconds(clockid_t clock);
void mm_jobs_init(struct mm_jobs *jobs);
void mm_jobs_push(struct mm_jobs *jobs, struct mm_job *job);
struct mm_job *mm_jobs_pop(struct mm_jobs *jobs);
void mm_jobs_remove(struct mm_jobs *jobs, struct mm_job *job);
void mm_job_free(struct mm_job *job);
/* Looks the requester up; MM_E_PRINCIPAL, MM_E_ROLE. */
enum mm_error mm_job_admit(struct mm_authority *a, struct mm_job *job);
/* Goes on with the start, or with the stop, where it stands. */
void mm_authority_advance(struct mm_authority *a);
/* `mintmarkd --genesis`: the whole birth, one step after the other. */
enum mm_error mm_authority_genesis(
    const struct mm_configure *configure, int control, int file) mm_must_use;

/* --- authority_start.c --- */
void mm_start_opened(struct mm_authority *a, struct mm_received *received);
/* Tells the archive the newest checkpoint. */
void mm_start_publish(struct mm_authority *a);
void mm_start_watch(struct mm_authority *a);
/* Our own first entry is stored: tokens may follow the policies. */
void mm_start_stored(
    struct mm_authority *a, const struct mm_notary_append_answer *answer);
/* Has the token that is linked now follow the policies. */
void mm_start_follow(struct mm_authority *a);
void
mm_start_token_answered(struct mm_authority *a, struct mm_received *received);

/* --- authority_batch.c --- */
/* Makes and sends the next batch, if there is something and none is open. */
void mm_batch_step(struct mm_authority *a);
/* Adds an entry; it is applied to the index. Takes nothing; copies. */
enum mm_error mm_batch_add(struct mm_authority *a, uint64_t kind,
    const void *body, struct mm_line **line) mm_must_use;
/* Asks the notary to prove this entry too. */
enum mm_error
mm_batch_refer(struct mm_authority *a, uint64_t index) mm_must_use;
/* Nobody waits for the notary for ever. */
void mm_batch_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_batch_clear(struct mm_authority *a);
void mm_batch_answered(struct mm_authority *a, struct mm_received *received);

/* The one of an index, or NULL. */
const struct mm_inclusion *
mm_inclusion_find(const struct mm_list *inclusions, uint64_t index);

/* --- authority_signing.c --- */
/* Adds an entry to the batch, with its item. */
enum mm_error mm_item_draft(struct mm_authority *a, uint64_t kind,
    const void *body, struct mm_item **out) mm_must_use;
struct mm_item *mm_item_find(struct mm_authority *a, uint64_t index);
void mm_item_free(struct mm_authority *a, struct mm_item *item);
/* Tells everybody who waits for it. */
void mm_item_refuse(
    struct mm_authority *a, struct mm_item *item, enum mm_error error);
/* Answers the job when the item is signed and stored. */
void
mm_item_wait(struct mm_authority *a, struct mm_item *item, struct mm_job *job);
/* Sends what the last batch made ready to the token. */
void mm_signing_send(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, struct mm_item *const *items,
    size_t count);
void mm_signing_answered(struct mm_authority *a, struct mm_received *received);
void mm_signing_token_up(struct mm_authority *a);
void mm_signing_token_down(struct mm_authority *a);
/* Has the supervisor end a token that hangs or does not behave. */
void mm_signing_kill(struct mm_authority *a);
void mm_signing_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_signing_clear(struct mm_authority *a);
/* After a start: an unsigned entry is decided again. */
enum mm_error mm_signing_recover(
    struct mm_authority *a, struct mm_span entry, uint64_t index) mm_must_use;

/* --- the decisions --- */
void mm_issue_decide(struct mm_authority *a, struct mm_job *job);
/* Adds the entry of our own TLS certificate to the batch. */
enum mm_error mm_issue_server(struct mm_authority *a) mm_must_use;
/* It is signed and stored: the gates present it from now on. */
void mm_issue_served(struct mm_authority *a, const struct mm_item *item);
void mm_issue_show_gate(struct mm_authority *a, struct mm_link *gate);
/* Whether a logged device certificate may still be signed. */
enum mm_error mm_issue_again(struct mm_authority *a,
    const struct mm_certificate_entry *body) mm_must_use;
/* What a certificate's entry rests on. */
enum mm_error mm_issue_rest(const struct mm_authority *a,
    const struct mm_certificate_entry *body, struct mm_rest *out) mm_must_use;
/* Builds the TBS and completes the body; adds nothing yet. */
enum mm_error mm_issue_draft(struct mm_authority *a,
    const struct mm_profile *profile, struct mm_certificate_entry *body,
    struct mm_span spki, struct mm_buffer *tbs) mm_must_use;
/* Adds a drafted certificate's entry and its item. */
enum mm_error mm_issue_log(struct mm_authority *a,
    const struct mm_certificate_entry *body, struct mm_item **item) mm_must_use;
void mm_release_arrived(struct mm_authority *a, struct mm_job *job, int fd);
void mm_release_decide(struct mm_authority *a, struct mm_job *job);
void mm_statement_decide(struct mm_authority *a, struct mm_job *job);
void mm_export_decide(struct mm_authority *a, struct mm_job *job);
void mm_read_decide(struct mm_authority *a, struct mm_job *job);
void mm_audit_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_read.c --- */
/* The same answer again: the entry is signed, or being signed. */
void mm_read_again(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued);
/* The answer about an entry that was signed before. */
void mm_read_issued(
    struct mm_authority *a, struct mm_job *job, const struct mm_issued *issued);
/* The same for an entry that is a statement's; MM_E_BUSY to the client
 * where it is not stored yet. */
void mm_read_stated(struct mm_authority *a, struct mm_job *job, uint64_t index);

/* --- authority_reading.c --- */
/* Calls the archive; `done` gets the answer, and the job where it is not
 * NULL. */
enum mm_error mm_reading_begin(struct mm_authority *a, uint64_t type,
    const struct mm_shape *shape, const void *request, struct mm_job *job,
    void (*done)(struct mm_authority *, struct mm_job *,
	struct mm_received *)) mm_must_use;
/* The same for a job, which is told where it cannot be asked. */
void mm_reading_ask(struct mm_authority *a, struct mm_job *job, uint64_t type,
    const struct mm_shape *shape, const void *request,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *));
/* Asks for entry and receipt; mm_reading_receipt() reads the answer. */
void mm_reading_ask_receipt(struct mm_authority *a, struct mm_job *job,
    uint64_t index, uint64_t against,
    void (*done)(struct mm_authority *, struct mm_job *, struct mm_received *));
enum mm_error mm_reading_receipt(struct mm_job *job,
    struct mm_received *received, struct mm_archive_receipt_answer *answer,
    struct mm_proof *proof) mm_must_use;
void mm_reading_answered(struct mm_authority *a, struct mm_received *received);
void mm_reading_lost(struct mm_authority *a);
void mm_reading_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_reading_clear(struct mm_authority *a);

/* --- authority_answer.c --- */
/* Each sends the answer and frees the job. */
void mm_answer(struct mm_authority *a, struct mm_job *job,
    const struct mm_shape *shape, const void *body);
void mm_answer_error(
    struct mm_authority *a, struct mm_job *job, enum mm_error error);
/* A refusal by a rule: logged too. */
void mm_answer_refusal(
    struct mm_authority *a, struct mm_job *job, enum mm_error error);
/* Certificate or image, with its receipt. */
void mm_answer_issued(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note, struct mm_span signature);
/* An entry that is itself what was asked for: a statement's, an export's. */
void mm_answer_stated(struct mm_authority *a, struct mm_job *job,
    struct mm_span entry, uint64_t index, const struct mm_proof *proof,
    struct mm_span note);

/* --- authority_issuers.c --- */
enum mm_error mm_issuers_load(struct mm_authority *a) mm_must_use;
const struct mm_issuer *
mm_issuer_find(const struct mm_authority *a, struct mm_span name);
void mm_issuers_clear(struct mm_authority *a);
/* The policy's profile for a purpose, or NULL. */
const struct mm_profile *
mm_profile_for(const struct mm_policy *policy, enum mm_purpose purpose);
/* The certificates between `name` (included) and the root (left out):
 * mm_bytes_item in the arena. */
enum mm_error
mm_issuers_chain(const struct mm_authority *a, struct mm_span name,
    struct mm_arena *arena, struct mm_list *out) mm_must_use;

/* --- authority_refusals.c --- */
void mm_refusals_note(
    struct mm_authority *a, const struct mm_job *job, enum mm_error reason);
bool mm_refusals_due(const struct mm_authority *a);
enum mm_error mm_refusals_add(struct mm_authority *a) mm_must_use;
/* The batch with them is in the log, or is not. */
void mm_refusals_settle(struct mm_authority *a, bool stored);

#endif

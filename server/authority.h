/*
 * The authority: it decides. Requests come from the gates, are judged when
 * the former batch is stored, become entries of the next batch, and are
 * answered when their signature is stored too.
 *
 *   authority.c           the process: links, start, stop
 *   authority_start.c     catching up with the log, the token's following
 *   authority_batch.c     the next batch: its entries, sent; a late notary
 *   authority_fill.c      what goes into it
 *   authority_stored.c    what its answer does
 *   authority_item.c      what wants a signature, and who waits for it
 *   authority_packet.c    what the token is asked in one request
 *   authority_signing.c   the token is asked: answers, deadlines, again
 *   authority_again.c     what a crash left unsigned is decided again
 *   authority_issue.c     device certificates: asked for, decided
 *   authority_draft.c     certificates: made, logged, decided again
 *   authority_tls.c       TLS certificates: our own, and principals' renewed
 *   authority_submit.c    images: held against their product's rules, kept
 *   authority_images.c    those that are kept
 *   authority_inspect.c   the processes that read them
 *   authority_rules.c     what a product's rules are asked about
 *   authority_release.c   what officers state about a release
 *   authority_making.c    a release that is approved is signed and proven,
 *   authority_steps.c     step by step
 *   authority_entering.c  its image entries
 *   authority_fetch.c     and what of it is given out
 *   authority_partition.c partitions of devices: decided
 *   authority_partition_prove.c, proven and answered
 *   authority_statement.c what people state: taken, gathered, entered
 *   authority_gather.c    whose signatures there are, and who is missing
 *   authority_pending.c   what waits for approvals goes into the log
 *   authority_waiting.c   what waits for approvals, listed
 *   authority_people.c    orders, principals, revocations, withdrawals
 *   authority_policy.c    a policy comes into force
 *   authority_ceremony.c  keys that come and go later than genesis: checked
 *   authority_ceremony_enter.c, and into the log
 *   authority_carrying.c  ceremonies, carried out step by step
 *   authority_carrying_keys.c, their keys
 *   authority_carrying_signed.c, what is signed for them
 *   authority_follow.c    what the token process follows
 *   authority_blob.c      bytes that are stored beside the log
 *   authority_crl.c       CRLs, in time
 *   authority_crl_make.c  a CRL, made and entered
 *   authority_uploads.c   uploads whose connection was lost
 *   authority_limits.c    how often who may ask; when who was seen
 *   authority_lists.c     orders and principals, listed
 *   authority_export.c    exports, put on record
 *   authority_scrap.c     units that failed for good, put on record
 *   authority_read.c      what is answered from index and log as they are
 *   authority_audit.c     what auditors and witnesses read
 *   authority_reading.c   calls to the archive
 *   authority_answer.c    answers and receipts
 *   authority_issuers.c   the CAs' certificates and chains
 *   authority_refusals.c  refusals, coalesced
 *   authority_genesis.c   the birth of a log
 *   authority_strike.c    what that strikes after its first entry
 *   authority_heritage.c  what it inherits from one that is lost
 *
 * Beside this header: stating.h (what people state), answering.h (answers and
 * what is read for them), issuers.h (the CAs' certificates), releasing.h
 * (images and releases), partitioning.h (partitions of devices).
 */
#ifndef MM_AUTHORITY_H
#define MM_AUTHORITY_H

#include <dirent.h>
#include <ev.h>
#include <sodium.h>
#include <time.h>

#include "hsm/token.h"
#include "log/archive.h"
#include "policy/clock.h"
#include "server/ask.h"
#include "server/configure.h"
#include "server/index.h"
#include "server/link.h"
#include "signer/inspector.h"

enum {
	MM_GATES_MAX = 64,
	MM_JOBS_MAX = 4096,       /* waiting for a decision */
	MM_JOBS_BYTES = 16 << 20, /* of their bodies */
	MM_ISSUERS_MAX = 32,      /* keys, retired ones too */
	MM_ITEMS_MAX = 2048,      /* decided, and not yet signed and stored */
	MM_REFERENCES_MAX = 1 + MM_CHAIN_MAX, /* that one item rests on */
	MM_REFUSALS_MAX = 1024,
	MM_POLICY_ARENA = 4 << 20
};

/* A file that an image is being copied into; number 0: none. */
struct mm_copy {
	uint64_t number, size;
};

/* A request on its way to its answer; each is in exactly one place. */
struct mm_job {
	struct mm_job *next;
	struct mm_arena arena;
	uint64_t gate, life; /* instance, and which of its processes */
	struct mm_ask ask;
	struct mm_principal principal; /* as of the decision */
	struct mm_inspect_request inspect; /* of an image that came along */
	struct mm_inspect_answer inspected;
	struct mm_statement_answer stated; /* the certificate, if any */
	struct mm_inspection *inspection;
	struct mm_partitioning *partitioning; /* of a partition; else NULL */
	struct mm_copy copy;
	uint64_t policy; /* number of the one that it was inspected under */
	struct mm_authority *authority;
	uint64_t index;      /* of the entry the answer is about */
	struct mm_blob blob; /* stored for it beside the log; size 0: none */
	uint64_t wait;       /* seconds, told with an error; 0: the table's */
	bool counted;        /* among its principal's requests */
	bool known; /* a statement: its former entry is over its payload */
	bool aged;  /* a renewal: the certificate of `index` is near its
		     * end */
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
	uint64_t kind;
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
	bool sealed;         /* a policy is its last entry */
	bool start;          /* that of this life is in it */
	bool closing;        /* nothing but what the reserve is for */
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
	size_t bytes; /* of the job's request */
	struct mm_job *job;
	/* `job` is NULL where nobody but ourselves waits. */
	void (*done)(struct mm_authority *authority, struct mm_job *job,
	    struct mm_received *answer);
};

/* In the order of asking, in which the archive answers; ids ascend. */
struct mm_readings {
	struct mm_reading *first, *last;
	size_t count, bytes; /* of the requests that wait */
};

/* An entry that a token was told to follow; it answers in order. */
struct mm_follow_call {
	struct mm_follow_call *next;
	uint64_t id, index, kind;
};

/* Bytes on their way to the notary, piece by piece. */
struct mm_storing {
	struct mm_storing *next;
	struct mm_blob blob;
	struct mm_buffer bytes;
	uint64_t sent;      /* of them, as far as the notary has answered */
	uint64_t id;        /* of the piece that it has; 0: none */
	struct mm_job *job; /* is decided again when it is stored; or NULL */
	void (*done)(struct mm_authority *authority, const struct mm_blob *blob,
	    enum mm_error error);
};

/* An inheritance on its way into the index. */
struct mm_heritage {
	bool done;
	uint64_t index;        /* of the entry that names the blob */
	struct mm_blob blob;   /* size 0: none is being taken in */
	uint64_t offset;       /* of it, as far as it was read */
	struct mm_buffer rest; /* what was read and is no whole thing yet */
	crypto_hash_sha256_state hash;
};

/* The ceremony that is being carried out. */
struct mm_carrying {
	bool look;           /* something has changed: what is next? */
	uint64_t index;      /* of its entry; 0: none */
	uint64_t from;       /* those before are done, or given up */
	uint64_t item;       /* entry of it that was to be signed last */
	uint64_t generating; /* the token makes keys: the call's id, or 0 */
	ev_tstamp deadline;  /* of that; 0: none */
	bool begun;          /* something of it was done in this life */
	unsigned failures;
	struct mm_arena arena;
	struct mm_list keys; /* mm_genesis_key: made, without entry yet */
};

/* A key of the mint, from its ceremony on. */
struct mm_issuer {
	char name[MM_NAME_MAX + 1];
	char issuer[MM_NAME_MAX + 1];  /* key above it; its own: a root; empty:
					* a CA outside */
	char profile[MM_NAME_MAX + 1]; /* empty: a CA outside made it */
	uint64_t use;                  /* enum mm_key_use */
	bool retired;                  /* signs nothing more */
	bool imported;                 /* by a CA outside */
	uint64_t index; /* of its certificate's or its import's entry */
	/* Both empty as long as the key has no certificate. */
	struct mm_buffer tbs, certificate;
	struct mm_buffer spki;
};

struct mm_refused {
	char principal[MM_NAME_MAX + 1], subject[MM_NAME_MAX + 1];
	char order[MM_NAME_MAX + 1]; /* empty: of none that there is */
	uint64_t type;
	enum mm_error reason;
	uint64_t count;   /* not logged yet */
	uint64_t storing; /* in the batch */
	ev_tstamp since;
};

/* The images that are kept. */
struct mm_images {
	int directory;
	uint64_t count, bytes; /* those that are being copied included */
	uint64_t made;         /* files of this life */
	DIR *sweep;            /* being looked through; or NULL */
	ev_tstamp due;         /* when it begins again */
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

	/* what the token that is linked now follows */
	uint64_t follow_from;  /* entries before it were sent to it */
	uint64_t follow_index; /* of the one that is being proven */
	bool follow_reading;   /* the archive proves that one */
	bool follow_stale;     /* and did so for a token that has gone */
	struct mm_follow_call *following; /* sent, not answered yet */
	ev_tstamp follow_deadline;        /* of the first of them; 0: none */

	struct mm_storing *storings;
	struct mm_carrying carrying;
	struct mm_heritage heritage;

	struct mm_issuer issuers[MM_ISSUERS_MAX];
	size_t issuer_count;
	struct mm_buffer tls_spki; /* of this start */
	struct mm_buffer server;   /* DER: our own TLS certificate */
	ev_tstamp server_due;      /* when a new one is wanted; 0: never */

	struct mm_jobs queue;
	struct mm_jobs inspecting; /* each with its inspector */
	struct mm_inspection *inspections; /* in the order of their coming */
	struct mm_releasing *releasings;   /* authority_making.c */
	struct mm_images images;
	struct mm_batch batch;
	struct mm_item *items; /* ascending indexes */
	size_t item_count;
	struct mm_signing *signings; /* in the order of asking */
	ev_tstamp signing_deadline;  /* of the first that a token has */
	struct mm_readings readings;
	ev_tstamp published; /* when the archive was told the last time */
	uint64_t publishing; /* the call by which it was; 0: it has answered */
	bool archive_behind; /* it does not have the newest note, as far as is
				known */
	struct mm_refused refusals[MM_REFUSALS_MAX];
	size_t refusal_count;
	struct mm_limits *limits; /* authority_limits.c; NULL: nobody yet */
	struct mm_crls *crls;     /* crl_parts.h; NULL: none yet */
	struct mm_parked *parked; /* authority_uploads.c */
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
/* Reads the newest policy and the CAs' certificates from the index. */
enum mm_error mm_start_load_policy(struct mm_authority *a) mm_must_use;

/* --- authority_batch.c --- */
/* Makes and sends the next batch, if there is something and none is open. */
void mm_batch_step(struct mm_authority *a);
/* Adds an entry; it is applied to the index. Takes nothing; copies. */
enum mm_error mm_batch_add(struct mm_authority *a, uint64_t kind,
    const void *body, struct mm_line **line) mm_must_use;
/* The same for a policy's entry, whose frame names the policy that it brings.
 * Nothing but signatures may go into the batch after it. */
enum mm_error
mm_batch_add_policy(struct mm_authority *a, const uint8_t digest[32],
    const struct mm_policy_entry *body, struct mm_line **line) mm_must_use;
/* Asks the notary to prove this entry too. */
enum mm_error
mm_batch_refer(struct mm_authority *a, uint64_t index) mm_must_use;
/* Nobody waits for the notary for ever. */
void mm_batch_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_batch_clear(struct mm_authority *a);

/* The one of an index, or NULL. */
const struct mm_inclusion *
mm_inclusion_find(const struct mm_list *inclusions, uint64_t index);

/* --- authority_stored.c --- */
void mm_batch_answered(struct mm_authority *a, struct mm_received *received);
/* A copy of a checkpoint: never half of it. */
enum mm_error
mm_note_keep(struct mm_buffer *kept, struct mm_span note) mm_must_use;

/* --- authority_item.c --- */
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
/* After a start: an unsigned entry is decided again. */
enum mm_error mm_item_recover(
    struct mm_authority *a, struct mm_span entry, uint64_t index) mm_must_use;

/* --- authority_packet.c --- */
/* Sends what the last batch made ready to the token. */
void mm_signing_send(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, struct mm_item *const *items,
    size_t count);

/* --- authority_signing.c --- */
void mm_signing_answered(struct mm_authority *a, struct mm_received *received);
void mm_signing_token_up(struct mm_authority *a);
void mm_signing_token_down(struct mm_authority *a);
/* Another policy is in force: what was decided before, and no token has been
 * asked for, is void. */
void mm_signing_pass_by(struct mm_authority *a);
/* Has the supervisor end a token that hangs or does not behave. */
void mm_signing_kill(struct mm_authority *a);
void mm_signing_tick(struct mm_authority *a);
/* At the end: frees what is left. */
void mm_signing_clear(struct mm_authority *a);

/* --- authority_again.c --- */
/* Whether an entry of a former life may still be signed, and what it rests on
 * then: the reason to void it. */
enum mm_error mm_item_again(struct mm_authority *a, struct mm_item *item,
    const struct mm_entry *frame, struct mm_arena *arena) mm_must_use;

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
/* The same for what an issuer signs: its certificate and those above it. */
enum mm_error mm_issue_rest_chain(const struct mm_authority *a,
    struct mm_span issuer, struct mm_rest *rest) mm_must_use;
/* Builds the TBS and completes the body; adds nothing yet. */
enum mm_error mm_issue_draft(struct mm_authority *a,
    const struct mm_profile *profile, struct mm_certificate_entry *body,
    struct mm_span spki, struct mm_buffer *tbs) mm_must_use;
/* Adds a drafted certificate's entry and its item. */
enum mm_error mm_issue_log(struct mm_authority *a,
    const struct mm_certificate_entry *body, struct mm_item **item) mm_must_use;
void mm_statement_decide(struct mm_authority *a, struct mm_job *job);
void mm_pending_decide(struct mm_authority *a, struct mm_job *job);
void mm_export_decide(struct mm_authority *a, struct mm_job *job);
void mm_scrap_decide(struct mm_authority *a, struct mm_job *job);
void mm_read_decide(struct mm_authority *a, struct mm_job *job);
void mm_audit_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_policy.c --- */
/* A batch with a policy entry is stored: it is in force. */
enum mm_error mm_policy_stored(struct mm_authority *a) mm_must_use;

/* --- authority_carrying.c --- */
/* What a ceremony in the log has left to do: keys to be made, entries to be
 * added. It goes on from the index, also after a crash. */
bool mm_ceremony_due(const struct mm_authority *a);
enum mm_error mm_ceremony_add(struct mm_authority *a) mm_must_use;

/* Whether there is one, in the log or in the batch, that is not carried out or
 * given up. */
enum mm_error mm_carrying_busy(struct mm_authority *a, bool *out) mm_must_use;
/* The token has made keys, or could not. */
void mm_ceremony_made(struct mm_authority *a, struct mm_received *received);
/* Something has happened that it may wait for. */
void mm_ceremony_look(struct mm_authority *a);
/* An entry is signed or void now. */
void mm_ceremony_settled(struct mm_authority *a, uint64_t index);
/* An entry of this kind is stored. */
enum mm_error
mm_ceremony_stored(struct mm_authority *a, uint64_t kind) mm_must_use;
void mm_ceremony_token_lost(struct mm_authority *a);
void mm_ceremony_clear(struct mm_authority *a);

/* --- authority_follow.c --- */
/* Has the token that is linked now follow, from the beginning, what the log
 * has that it follows: proofs come from the archive. a->followed when done. */
void mm_follow_begin(struct mm_authority *a);
/* Goes on with that where it stands. */
void mm_follow_step(struct mm_authority *a);
/* A batch is stored: what its lines from `from` to before `to` have that a
 * token follows is sent to one that follows all before it, behind what that
 * was asked to sign already. */
void mm_follow_stored(struct mm_authority *a,
    const struct mm_notary_append_answer *answer, size_t from, size_t to);
void mm_follow_answered(struct mm_authority *a, struct mm_received *received);
/* The token has gone, or the archive that was asked. */
void mm_follow_lost(struct mm_authority *a);
void mm_follow_archive_lost(struct mm_authority *a);
/* No token follows for ever. */
void mm_follow_tick(struct mm_authority *a);
void mm_follow_clear(struct mm_authority *a);

/* --- authority_blob.c --- */
/*
 * Bytes beside the log, stored by the notary before the batch whose entry
 * names them (log/entry.h). mm_blob_store() copies them; `done` is told when
 * they are there (MM_OK), or why they are not.
 */
enum mm_error mm_blob_store(struct mm_authority *a, struct mm_span bytes,
    void (*done)(struct mm_authority *a, const struct mm_blob *blob,
	enum mm_error error)) mm_must_use;
/*
 * For a job whose entry names a blob. MM_OK and `*stored`: it is there,
 * job->blob names it. MM_OK without: the job is parked, nothing of it may be
 * touched any more; it is decided again when the blob is stored, or told why
 * that failed.
 */
enum mm_error mm_blob_store_for(struct mm_authority *a, struct mm_job *job,
    struct mm_span bytes, bool *stored) mm_must_use;
void mm_blob_answered(struct mm_authority *a, struct mm_received *received);
void mm_blob_clear(struct mm_authority *a);

/* --- authority_heritage.c --- */
/* Sends the next piece of a blob to the notary, and waits: at genesis. */
enum mm_error mm_heritage_put(int notary, struct mm_notary_blob_request *piece,
    struct mm_span data) mm_must_use;
/* Stores the one of these files that is the blob: MM_E_BLOB where none is. */
enum mm_error mm_heritage_store(int notary, const int *files, size_t count,
    const struct mm_inherited_blob *blob) mm_must_use;
/* Goes on with taking in, at a start; heritage.done when nothing is left. */
void mm_heritage_step(struct mm_authority *a);
void mm_heritage_clear(struct mm_authority *a);

/* --- authority_crl.c --- */
/* Whether a CRL is wanted: by somebody who asks, because something was
 * revoked, or because the last one is past its half. */
bool mm_crl_due(const struct mm_authority *a);
/* Makes the next CRL from what is stored; between two batches, with the time
 * of the next one. */
void mm_crl_make(struct mm_authority *a);
enum mm_error mm_crl_add_entry(struct mm_authority *a) mm_must_use;
void mm_crl_decide(struct mm_authority *a, struct mm_job *job);
/* The sealed memfd of a CRL's blob, for the token; -1 where it has none. */
int mm_crl_blob(struct mm_authority *a, uint64_t index);
void mm_crl_tick(struct mm_authority *a);
void mm_crl_clear(struct mm_authority *a);

/* --- authority_limits.c --- */
/* MM_E_RATE where the principal has asked too often in this minute; notes
 * that it was seen. */
enum mm_error
mm_limits_admit(struct mm_authority *a, struct mm_job *job) mm_must_use;
/* When it was seen in this life; 0: not. */
uint64_t mm_limits_seen(const struct mm_authority *a, struct mm_span name);
void mm_limits_clear(struct mm_authority *a);

/* --- authority_uploads.c --- */
/* Takes the memfd of what a gate parked. MM_E_PEER. */
enum mm_error mm_upload_park(
    struct mm_authority *a, struct mm_received *message) mm_must_use;
void mm_upload_decide(struct mm_authority *a, struct mm_job *job);
void mm_uploads_tick(struct mm_authority *a);
void mm_uploads_clear(struct mm_authority *a);

/* --- authority_lists.c --- */
void mm_orders_decide(struct mm_authority *a, struct mm_job *job);
void mm_principals_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_issue.c, too --- */
void mm_renew_decide(struct mm_authority *a, struct mm_job *job);

/* --- authority_refusals.c --- */
void mm_refusals_note(
    struct mm_authority *a, const struct mm_job *job, enum mm_error reason);
bool mm_refusals_due(const struct mm_authority *a);
enum mm_error mm_refusals_add(struct mm_authority *a) mm_must_use;
/* Refusals under an order which no entry has yet. */
uint64_t
mm_refusals_waiting(const struct mm_authority *a, struct mm_span order);
/* The batch with them is in the log, or is not. */
void mm_refusals_settle(struct mm_authority *a, bool stored);

#endif

/*
 * The plan by which a device is flashed and locked: the command lines of
 * esptool and espefuse 5, and of mintmark for what is encrypted here, in the
 * order in which they have to run, each with why it is there. What cannot be
 * undone, every eFuse, comes last and is marked. Nothing is run here, and no
 * key's bytes are in a plan: keys are file names and sizes.
 *
 * Everything is checked before there is a plan: a file that does not fit, an
 * image of another chip, one that secure boot would refuse afterwards, a key
 * of another size, key blocks that contradict each other.
 *
 * Order (ESP-IDF, "Security Features Enablement Workflows"): all files first,
 * while the chip still takes them; then the keys that are read-protected, for
 * secure boot ends by write-protecting RD_DIS, after which no key can be;
 * encryption, the chip's doors, digests, secure boot; download mode at the
 * very end, for espefuse cannot connect after it.
 *
 *   chip_locks.c   what each chip is locked with
 *   plan.c         the whole: files, and what people should know
 *   plan_locks.c   the steps that burn eFuses
 *   plan_making.c  words on their way to steps
 *   plan_files.c   the files: what they are, where they go, whether they may
 *   plan_keys.c    keys and digests: whether the chip takes them, and where
 *   plan_script.c  the plan as lines, as text and as a shell script
 *   plan_json.c    the plan as JSON
 */
#ifndef MM_FACTORY_PLAN_H
#define MM_FACTORY_PLAN_H

#include <jansson.h>

#include "factory/chip_locks.h"
#include "signer/partitions.h"

enum {
	MM_PLAN_DATA_MAX = 32,
	MM_PLAN_DIGESTS_MAX = 3,
	MM_PLAN_STEPS_MAX = 64,
	MM_PLAN_NOTES_MAX = 12,
	MM_PLAN_ARENA = 1 << 18 /* for mm_plan_make() */
};

/* A file as the command lines will name it, and what is in it; none where
 * `path` is NULL. */
struct mm_plan_file {
	const char *path;
	struct mm_span bytes;
};
/* A key: its bytes are nobody's business. */
struct mm_plan_key {
	const char *path;
	size_t size;
	uint64_t block; /* BLOCK_KEYn, of HMAC keys */
};
struct mm_plan_data {
	struct mm_span name; /* of its partition */
	struct mm_plan_file file;
};

/* What the plan is to do. Whoever fills it in owns everything in it, and keeps
 * it as long as the plan. */
struct mm_plan_order {
	const struct mm_chip *chip;
	const char *port; /* NULL: esptool finds it */
	const struct mm_partition_facts *table;
	uint64_t table_offset;

	/* Signed where secure boot will want it, never encrypted. With Secure
	 * Boot V1 `bootloader` is the file with the digest (for 0x0). */
	struct mm_plan_file bootloader, table_file, app, otadata;
	const struct mm_plan_data *data; /* MM_PLAN_DATA_MAX at most */
	size_t data_count;
	/* Bit n: data[n] is encrypted for its place already, with flash_key. */
	uint32_t encrypted_data;
	/* What is encrypted of an absolute path's file goes to the working
	 * directory, named after its partition: the file is not this device's
	 * alone. Else it goes beside the file. */
	bool apart;

	struct mm_plan_key flash_key;
	bool development; /* flash encryption that can be taken back */
	/* Secure Boot V2: digests of public keys (`image digest`). */
	struct mm_plan_file digests[MM_PLAN_DIGESTS_MAX];
	size_t digest_count;
	bool sha384;               /* their keys are of P-384 */
	struct mm_plan_key v1_key; /* Secure Boot V1, reflashable */
	struct mm_plan_key hmac_key, ds_key;
	bool keep_download; /* leave the ROM's download mode open */
};

struct mm_plan_step {
	const char *id; /* stable: "flash", "burn-flash-key" */
	bool irreversible;
	struct mm_list words; /* of const char *: the tool and its words */
	const char *why;
};
struct mm_plan {
	struct mm_list steps; /* mm_plan_step */
	struct mm_list notes; /* of const char * */
};

/*
 * The plan, in the arena (MM_PLAN_ARENA). MM_E_FORMAT, MM_E_RANGE: what of the
 * order cannot be, and what to do.
 */
enum mm_error mm_plan_make(const struct mm_plan_order *order,
    struct mm_arena *arena, struct mm_plan *out) mm_must_use;

/* Whether the chip decrypts this partition where flash encryption is on:
 * ESP-IDF encrypts some whether their flag says so or not. */
bool mm_plan_encrypts(const struct mm_partition *partition);

/* What the script's argument must be for the irreversible steps to run. */
#define MM_PLAN_WORD "burn-efuses"

/* Appends the step as one line for a POSIX shell. */
void mm_plan_line(const struct mm_plan_step *step, struct mm_buffer *out);
/* Appends the plan for people. */
void mm_plan_text(const struct mm_plan_order *order, const struct mm_plan *plan,
    struct mm_buffer *out);
/*
 * Appends the plan as a POSIX shell script. Irreversible steps are printed and
 * skipped unless its argument is MM_PLAN_WORD; then espefuse is told not to
 * ask once more.
 */
void mm_plan_script(const struct mm_plan_order *order,
    const struct mm_plan *plan, struct mm_buffer *out);
/* The plan as an object: schema, chip, port, table_offset, irreversible, steps,
 * notes (`mintmark flash plan --help`); NULL: no memory. */
json_t *
mm_plan_json(const struct mm_plan_order *order, const struct mm_plan *plan);

#endif

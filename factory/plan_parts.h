/* Inside the plan: checks, and what they found out for the steps. */
#ifndef MM_FACTORY_PLAN_PARTS_H
#define MM_FACTORY_PLAN_PARTS_H

#include "factory/plan.h"

enum {
	MM_PLAN_PLACES_MAX = MM_PLAN_DATA_MAX + 4,
	MM_PLAN_NO_BLOCK = -1,
	MM_PLAN_WORDS_MAX = 160
};

/* A file and where it goes. */
struct mm_plan_place {
	const struct mm_plan_file *file;
	struct mm_span name; /* "bootloader", or the partition's */
	uint64_t offset;
	bool encrypted; /* where flash encryption is on */
};

struct mm_plan_facts {
	struct mm_plan_place places[MM_PLAN_PLACES_MAX];
	size_t place_count;
	/* BLOCK_KEYn of each; of an AES-256 key the first of two. */
	int flash_block, digest_blocks[MM_PLAN_DIGESTS_MAX];
};

/* Whether the order's keys are what the chip takes, and into which blocks. */
enum mm_error mm_plan_keys(
    const struct mm_plan_order *order, struct mm_plan_facts *facts) mm_must_use;
/* Whether its files are what they should be, and where they go. */
enum mm_error mm_plan_files(
    const struct mm_plan_order *order, struct mm_plan_facts *facts) mm_must_use;

static inline bool
mm_plan_boots_securely(const struct mm_plan_order *order)
{
	return order->digest_count > 0 || order->v1_key.path != NULL;
}

/* --- plan_making.c --- */

/* Steps on their way into the arena; asked for its error once, at the end. */
struct mm_plan_making {
	const struct mm_plan_order *order;
	const struct mm_plan_facts *facts;
	struct mm_arena *arena;
	enum mm_error error;
	struct mm_plan_step *steps;
	size_t step_count;
	const char *words[MM_PLAN_WORDS_MAX];
	size_t word_count;
	const char **notes;
	size_t note_count;
};

void mm_plan_fail(struct mm_plan_making *m, enum mm_error error);
/* A word made here, in the arena. */
const char *mm_plan_word(struct mm_plan_making *m, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* `tool --chip CHIP [--port PORT]`, what every vendor's line begins with. */
void mm_plan_begin(struct mm_plan_making *m, const char *tool);
/* `word` lives as long as the plan. */
void mm_plan_add(struct mm_plan_making *m, const char *word);
void mm_plan_add_number(struct mm_plan_making *m, uint64_t number);
/* A file of the order; one that a tool would take for an option is none. */
void mm_plan_add_file(struct mm_plan_making *m, const char *path);
/* The words since mm_plan_begin() are a step. */
void mm_plan_end(struct mm_plan_making *m, const char *id, bool irreversible,
    const char *why);

/* --- plan_locks.c --- */

/* MM_LOCK_... that the order gives. */
unsigned mm_plan_lock_reasons(const struct mm_plan_order *order);
/* The steps that burn. */
void mm_plan_lock(struct mm_plan_making *m);

#endif

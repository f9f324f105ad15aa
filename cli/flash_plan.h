/*
 * Inside `flash plan`: its command line and the files that it names, read into
 * the order that factory/plan.h takes.
 */
#ifndef MM_FLASH_PLAN_H
#define MM_FLASH_PLAN_H

#include "cli/mapped.h"
#include "factory/otadata.h"
#include "factory/plan.h"

enum {
	/* bootloader, table, app, digests, and the data */
	MM_FLASH_PLAN_FILES = MM_PLAN_DATA_MAX + 3 + MM_PLAN_DIGESTS_MAX
};

struct mm_flash_planning {
	const struct mm_invocation *invocation;
	struct mm_arena arena;
	struct mm_mapped files[MM_FLASH_PLAN_FILES];
	size_t file_count;
	struct mm_buffer table_text;
	struct mm_image_facts table_image;
	struct mm_partition_facts table;
	struct mm_plan_data data[MM_PLAN_DATA_MAX];
	uint8_t otadata[MM_OTADATA_SIZE];
	struct mm_plan_order order; /* of what is above */
	struct mm_plan plan;
};

/* Reads all; no key's bytes are kept. To be cleared in any case. MM_E_USAGE,
 * MM_E_FILE, MM_E_FORMAT. */
enum mm_error mm_flash_planning_read(const struct mm_invocation *invocation,
    struct mm_flash_planning *out) mm_must_use;
void mm_flash_planning_clear(struct mm_flash_planning *planning);

#endif

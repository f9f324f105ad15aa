/*
 * What `mintmark flash nvs` does besides making one image, and what its parts
 * share.
 */
#ifndef MM_FLASH_NVS_H
#define MM_FLASH_NVS_H

#include "cli/command.h"
#include "factory/nvs.h"

/* The key of --keys in sodium memory, to be freed there; NULL where the option
 * was not said. MM_E_FORMAT, MM_E_FILE. */
enum mm_error mm_flash_nvs_key(
    const struct mm_invocation *invocation, uint8_t **out) mm_must_use;
/* 1 or 2. MM_E_USAGE. */
enum mm_error mm_flash_nvs_version(
    const struct mm_invocation *invocation, unsigned *out) mm_must_use;

/* A CSV in memory, and where it lies. */
struct mm_flash_nvs_file {
	struct mm_buffer text;
	char path[PATH_MAX], beside[PATH_MAX];
	struct mm_nvs_source source;
};
enum mm_error mm_flash_nvs_open(
    const char *path, size_t max, struct mm_flash_nvs_file *out) mm_must_use;
/* Values may be secret: it leaves nothing of them. */
void mm_flash_nvs_file_clear(struct mm_flash_nvs_file *file);

/* --dump IMAGE */
enum mm_error
mm_flash_nvs_dump(const struct mm_invocation *invocation) mm_must_use;
/* --many TEMPLATE VALUES SIZE */
enum mm_error
mm_flash_nvs_many(const struct mm_invocation *invocation) mm_must_use;

#endif

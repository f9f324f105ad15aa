/*
 * mintmark flash nvs-keys: a key partition for encrypted NVS, its key made
 * here, given, or derived as a chip derives it from its eFuses.
 */
#include <sodium.h>
#include <string.h>

#include "cli/command.h"
#include "cli/json_value.h"
#include "factory/der.h"
#include "factory/nvs.h"

/* Of a file of exactly `size` bytes. */
static enum mm_error
read_key(const char *path, const char *what, size_t size,
    struct mm_flash_secret *out)
{
	enum mm_error error = mm_flash_secret_read(path, out);

	if (error == MM_OK && out->size != size)
		error = mm_fail(MM_E_FORMAT, "%s has %zu bytes; %s has %zu",
		    path, out->size, what, size);
	return error;
}

static enum mm_error
take_key(const char *path, uint8_t *out)
{
	mm_auto(flash_secret) file = {0};
	enum mm_error error =
	    read_key(path, "a key for NVS", MM_NVS_KEY, &file);

	if (error == MM_OK)
		memcpy(out, file.data, MM_NVS_KEY);
	return error;
}

static enum mm_error
derive_key(const char *path, uint8_t *out)
{
	mm_auto(flash_secret) file = {0};
	enum mm_error error =
	    read_key(path, "an HMAC key in eFuses", MM_NVS_HMAC_KEY, &file);

	return error == MM_OK ? mm_nvs_key_derive(file.data, out) : error;
}

static enum mm_error
make_key(const struct mm_invocation *invocation, uint8_t *out)
{
	const char *raw = mm_option(invocation, "raw");
	const char *hmac = mm_option(invocation, "hmac");

	if (raw != NULL && hmac != NULL)
		return mm_fail(MM_E_USAGE, "say --raw or --hmac, not both");
	if (raw != NULL)
		return take_key(raw, out);
	if (hmac != NULL)
		return derive_key(hmac, out);
	mm_nvs_key_random(out);
	return MM_OK;
}

/* AES-XTS takes no other. */
static enum mm_error
check_key(const uint8_t *key)
{
	uint8_t page[MM_NVS_PAGE];

	memset(page, 0xff, sizeof(page));
	return mm_nvs_crypt(key, true, page, sizeof(page));
}

static enum mm_error
write_keys(const struct mm_invocation *invocation, const uint8_t *key,
    uint8_t *partition)
{
	const char *out = invocation->operands[0];
	enum mm_error error;

	mm_nvs_keys_encode(key, partition);
	error = mm_file_write(
	    out, mm_span(partition, MM_NVS_PAGE), 0600, invocation->force);
	if (error == MM_OK)
		mm_print(invocation,
		    json_pack("{s:o, s:s}", "file",
			mm_json_text(mm_span_text(out)), "key",
			mm_option(invocation, "raw") != NULL    ? "given"
			: mm_option(invocation, "hmac") != NULL ? "derived"
								: "made"));
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	uint8_t *memory = sodium_malloc(MM_NVS_KEY + MM_NVS_PAGE);
	enum mm_error error;

	if (memory == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a key");
	error = mm_output_check(invocation, invocation->operands[0]);
	if (error == MM_OK)
		error = make_key(invocation, memory);
	if (error == MM_OK)
		error = check_key(memory);
	if (error == MM_OK)
		error = write_keys(invocation, memory, memory + MM_NVS_KEY);
	sodium_free(memory);
	return error;
}

static const struct mm_cli_option options[] = {
    {"raw", "FILE", "the 64 bytes of the key: data key, tweak key",
	MM_OPTION_MAY},
    {"hmac", "FILE", "the 32 bytes of the eFuse key that a chip derives it of",
	MM_OPTION_MAY},
};

const struct mm_command mm_flash_nvs_keys_command = {
    .noun = "flash",
    .verb = "nvs-keys",
    .operands = "OUT.bin",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "a key partition for encrypted NVS, mode 0600",
    .about =
	"It goes into the partition data/nvs_keys, flagged encrypted, which\n"
	"must be encrypted for flash. With --hmac the chip needs none: the "
	"file\n"
	"is only for `flash nvs --keys`.",
    .results = "file, key (made, given or derived)",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};

/*
 * mintmark flash encrypt, flash decrypt: an image as a chip with flash
 * encryption keeps it in its flash, and back.
 */
#include <sodium.h>
#include <string.h>

#include "cli/flash_number.h"
#include "factory/flash_encryption.h"

enum { IMAGE_MAX = 128 << 20, ERASED = 0xff };

struct job {
	const struct mm_invocation *invocation;
	const struct mm_chip *chip;
	int direction;
	uint64_t address, crypt_config;
	struct mm_flash_secret key;
	struct mm_buffer image;
};

static void
job_clear(struct job *job)
{
	mm_flash_secret_clear(&job->key);
	/* It may be a partition of keys. */
	if (job->image.data != NULL)
		sodium_memzero(job->image.data, job->image.size);
	mm_buffer_clear(&job->image);
}

static enum mm_error
read_words(struct job *job)
{
	const char *chip = mm_option(job->invocation, "chip");
	enum mm_error error = mm_flash_number_option(
	    job->invocation, "address", 0, UINT32_MAX, &job->address);

	job->chip = mm_chip_named(mm_span_text(chip));
	if (job->chip == NULL)
		return mm_fail(MM_E_USAGE,
		    "there is no chip \"%s\"; say esp32, esp32c3, esp32s3, ...",
		    chip);
	if (error != MM_OK)
		return error;
	if (!mm_chip_is_first(job->chip) &&
	    mm_option(job->invocation, "crypt-config") != NULL)
		return mm_fail(MM_E_USAGE,
		    "--crypt-config is the first ESP32's alone; leave it out");
	return mm_flash_number_option(
	    job->invocation, "crypt-config", 0, 0xf, &job->crypt_config);
}

static enum mm_error
make_key(struct job *job)
{
	uint64_t size = 0;
	enum mm_error error = mm_flash_number_option(
	    job->invocation, "key-size", 1, MM_FLASH_KEY_MAX, &size);

	if (error != MM_OK)
		return error;
	return size > 0 ? mm_flash_key_make_sized(job->chip, size, &job->key)
			: mm_flash_key_make(job->chip, &job->key);
}

static enum mm_error
get_key(struct job *job)
{
	const char *old = mm_option(job->invocation, "key");
	bool is_new = mm_option(job->invocation, "new-key") != NULL;

	if ((old != NULL) == is_new)
		return mm_fail(
		    MM_E_USAGE, job->direction == MM_FLASH_ENCRYPT
				    ? "say --key or --new-key, and not both"
				    : "say --key");
	if (!is_new && mm_option(job->invocation, "key-size") != NULL)
		return mm_fail(MM_E_USAGE, "--key-size goes with --new-key");
	return is_new ? make_key(job) : mm_flash_secret_read(old, &job->key);
}

/* The first ESP32's tool fills up a last block, with chance; here it is what
 * erased flash holds. Others refuse. */
static void
fill_up(struct job *job)
{
	static const uint8_t erased[MM_FLASH_BLOCK] = {ERASED, ERASED, ERASED,
	    ERASED, ERASED, ERASED, ERASED, ERASED, ERASED, ERASED, ERASED,
	    ERASED, ERASED, ERASED, ERASED, ERASED};
	size_t over = job->image.size % MM_FLASH_BLOCK;

	if (over != 0 && mm_chip_is_first(job->chip) &&
	    job->direction == MM_FLASH_ENCRYPT)
		mm_buffer_add(&job->image, erased, MM_FLASH_BLOCK - over);
}

static enum mm_error
read_image(struct job *job)
{
	const char *path = job->invocation->operands[0];
	enum mm_error error;

	mm_buffer_init(&job->image, IMAGE_MAX);
	error = mm_input(path, IMAGE_MAX, &job->image);
	if (error != MM_OK)
		return error;
	fill_up(job);
	return job->image.error;
}

static enum mm_error
convert(struct job *job)
{
	const char *path = job->invocation->operands[0];
	struct mm_flash_cipher *cipher = NULL;
	enum mm_error error = mm_flash_cipher_new(job->chip,
	    mm_span(job->key.data, job->key.size), job->crypt_config, &cipher);
	const char *key = mm_option(job->invocation, "key");

	if (error != MM_OK)
		return mm_fail(error, "%s: %s",
		    key != NULL ? key : "the new key", mm_why(error));
	error = mm_flash_cipher_run(cipher, job->direction, job->address,
	    mm_buffer_span(&job->image), job->image.data);
	mm_flash_cipher_free(cipher);
	return error == MM_OK ? MM_OK
			      : mm_fail(error, "%s: %s", path, mm_why(error));
}

/* Never over another key, whatever was said: it may be in a chip. */
static enum mm_error
write_key(const struct job *job)
{
	const char *path = mm_option(job->invocation, "new-key");
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = mm_file_write(
	    path, mm_span(job->key.data, job->key.size), 0600, false);
	return error == MM_E_EXISTS
		   ? mm_fail(error,
			 "%s exists already, and --force does not overwrite a "
			 "key: name another, or say --key",
			 path)
		   : error;
}

static enum mm_error
write_image(const struct job *job)
{
	const char *out = mm_option(job->invocation, "out");
	struct mm_span bytes = mm_buffer_span(&job->image);

	if (job->direction == MM_FLASH_ENCRYPT || strcmp(out, "-") == 0)
		return mm_output(job->invocation, out, bytes);
	return mm_file_write(out, bytes, 0600, job->invocation->force);
}

static void
report(const struct job *job)
{
	const char *key = mm_option(job->invocation, "new-key");

	if (strcmp(mm_option(job->invocation, "out"), "-") == 0)
		return;
	mm_print(job->invocation,
	    json_pack("{s:s, s:s, s:I, s:I, s:s*}", "image",
		mm_option(job->invocation, "out"), "chip", job->chip->name,
		"address", (json_int_t)job->address, "size",
		(json_int_t)job->image.size, "new_key", key));
}

static enum mm_error
run(const struct mm_invocation *invocation, int direction)
{
	__attribute__((cleanup(job_clear))) struct job job = {
	    .invocation = invocation,
	    .direction = direction,
	    .crypt_config = MM_FLASH_CRYPT_CONFIG};
	enum mm_error error = read_words(&job);

	if (error == MM_OK)
		error =
		    mm_output_check(invocation, mm_option(invocation, "out"));
	if (error == MM_OK)
		error = get_key(&job);
	if (error == MM_OK)
		error = read_image(&job);
	if (error == MM_OK)
		error = convert(&job);
	if (error == MM_OK)
		error = write_key(&job);
	if (error == MM_OK)
		error = write_image(&job);
	if (error == MM_OK)
		report(&job);
	return error;
}

static enum mm_error
encrypt(const struct mm_invocation *invocation)
{
	return run(invocation, MM_FLASH_ENCRYPT);
}

static enum mm_error
decrypt(const struct mm_invocation *invocation)
{
	return run(invocation, MM_FLASH_DECRYPT);
}

#define CHIP \
	{ \
		"chip", "CHIP", "esp32, esp32c3, ...", true \
	}
#define ADDRESS \
	{ \
		"address", "N", "where in flash the image lies", true \
	}
#define CONFIG \
	{ \
		"crypt-config", "N", \
		    "eFuse FLASH_CRYPT_CONFIG of an esp32 (0xF)", false \
	}
#define KEY_FORMS \
	"A key is a file of raw bytes: 32; 64 for AES-256 (esp32s2, s3, p4, " \
	"s31);\n16 of an esp32c2, 24 of an esp32 under the 3/4 coding " \
	"scheme. "

static const struct mm_cli_option encrypt_options[] = {
    CHIP,
    {"key", "FILE", "the chip's flash encryption key", false},
    {"new-key", "FILE", "make a new key, mode 0600", false},
    {"key-size", "N", "bytes of the new key (32)", false},
    ADDRESS,
    CONFIG,
    {"out", "FILE", "the encrypted image", true},
};
static const struct mm_cli_option decrypt_options[] = {
    CHIP,
    {"key", "FILE", "the chip's flash encryption key", true},
    ADDRESS,
    CONFIG,
    {"out", "FILE", "the plain image, mode 0600", true},
};

const struct mm_command mm_flash_encrypt_command = {
    .noun = "flash",
    .verb = "encrypt",
    .operands = "IN",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an image as a chip with flash encryption keeps it",
    .about = KEY_FORMS
    "The same image\nat another address is another file. Sign first, then "
    "encrypt the whole, and\nwrite it without esptool's --encrypt.",
    .results = "image (path), chip, address, size, new_key (path)",
    .writes = true,
    MM_COMMAND_OPTIONS(encrypt_options),
    .run = encrypt,
};

const struct mm_command mm_flash_decrypt_command = {
    .noun = "flash",
    .verb = "decrypt",
    .operands = "IN",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "an image read from a chip with flash encryption",
    .about = KEY_FORMS
    "Nothing\nin the image tells a wrong key or address: look at what comes "
    "out.",
    .results = "image (path), chip, address, size",
    .writes = true,
    MM_COMMAND_OPTIONS(decrypt_options),
    .run = decrypt,
};

/*
 * mintmark image digest: a public key as those know it who verify with it: the
 * eFuses of a chip, a bootloader's source, a TLV.
 */
#include <string.h>

#include "ca/certificate.h"
#include "cli/json_value.h"
#include "cli/public_key_file.h"
#include "cli/result_files.h"
#include "signer/mcuboot.h"
#include "signer/scheme.h"

enum { KEY_MAX = 65536, SOURCE_MAX = 65536, C2_DIGEST = 16 };

struct material {
	struct mm_public_key key;
	uint8_t digest[32]; /* Secure Boot V2 */
	struct mm_buffer spki, pem, source, point;
};

static void
material_clear(struct material *m)
{
	mm_buffer_clear(&m->spki);
	mm_buffer_clear(&m->pem);
	mm_buffer_clear(&m->source);
	mm_buffer_clear(&m->point);
}

/* What only keys of P-256 are used for. */
static enum mm_error
make_p256(struct material *m)
{
	enum mm_error error;

	if (m->key.algorithm != MM_ALGORITHM_P256)
		return MM_OK;
	mm_buffer_add(&m->point, m->key.x, 32);
	mm_buffer_add(&m->point, m->key.y, 32);
	error = mm_mcuboot_key_source(
	    mm_buffer_span(&m->spki), mm_span_text("ecdsa"), &m->source);
	return error == MM_OK ? m->point.error : error;
}

static enum mm_error
make(const char *path, struct material *m)
{
	enum mm_error error = mm_public_key_file(path, &m->key);

	mm_buffer_init(&m->spki, KEY_MAX);
	mm_buffer_init(&m->pem, KEY_MAX);
	mm_buffer_init(&m->source, SOURCE_MAX);
	mm_buffer_init(&m->point, KEY_MAX);
	if (error == MM_OK)
		error = mm_public_key_spki(&m->key, &m->spki);
	if (error == MM_OK)
		error = mm_secure_boot_v2_key_digest(&m->key, m->digest);
	if (error == MM_OK)
		error = mm_pem_encode(
		    "PUBLIC KEY", mm_buffer_span(&m->spki), &m->pem);
	return error == MM_OK ? make_p256(m) : error;
}

/* The same order of bytes in the file and in eFuse: `espefuse burn-key` turns
 * keys around, but not digests. */
static json_t *
describe(const char *path, const struct material *m)
{
	bool p256 = m->key.algorithm == MM_ALGORITHM_P256;
	json_t *spki = mm_json_hex(mm_span(m->key.spki_sha256, 32));
	json_t *out = json_pack("{s:o, s:s, s:o, s:o}", "file",
	    mm_json_text(mm_span_text(path)), "algorithm",
	    mm_algorithm_name(m->key.algorithm), "spki_sha256", spki,
	    "secure_boot_v2", mm_json_hex(mm_span(m->digest, 32)));

	if (p256)
		json_object_set_new(out, "secure_boot_v2_esp32c2",
		    mm_json_hex(mm_span(m->digest, C2_DIGEST)));
	if (p256)
		json_object_set(out, "mcuboot", spki);
	return out;
}

static enum mm_error
write_all(const struct mm_invocation *invocation, const char *prefix,
    const struct material *m, json_t *report)
{
	const struct {
		const char *suffix, *key;
		struct mm_span bytes;
	} files[] = {
	    {".digest.bin", "digest_file", mm_span(m->digest, 32)},
	    {".pub.der", "der_file", mm_buffer_span(&m->spki)},
	    {".pub.pem", "pem_file", mm_buffer_span(&m->pem)},
	    /* Of P-256 only; else the first is empty, and ends it. */
	    {".mcuboot.c", "mcuboot_file", mm_buffer_span(&m->source)},
	    {".keyhash.bin", "keyhash_file", mm_span(m->key.spki_sha256, 32)},
	    {".v1.bin", "v1_file", mm_buffer_span(&m->point)},
	};
	const char *suffixes[MM_COUNT(files)];
	size_t count = 0;
	enum mm_error error;

	while (count < MM_COUNT(files) && files[count].bytes.size > 0) {
		suffixes[count] = files[count].suffix;
		count++;
	}
	error = mm_results_check(invocation, prefix, suffixes, count);
	for (size_t i = 0; i < count && error == MM_OK; i++)
		error = mm_result_write(invocation, prefix, files[i].suffix,
		    files[i].bytes, files[i].key, report);
	return error;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	const char *path = invocation->operands[0];
	const char *prefix = mm_option(invocation, "out");
	__attribute__((cleanup(material_clear))) struct material m = {
	    .digest = {0}};
	json_t *out;
	enum mm_error error = make(path, &m);

	if (error != MM_OK)
		return error;
	out = describe(path, &m);
	if (prefix != NULL)
		error = write_all(invocation, prefix, &m, out);
	if (error == MM_OK)
		mm_print(invocation, out);
	else
		json_decref(out);
	return error;
}

static const struct mm_cli_option options[] = {
    {"out", "PREFIX", "also write files of these names", MM_OPTION_MAY},
};

const struct mm_command mm_image_digest_command = {
    .noun = "image",
    .verb = "digest",
    .operands = "PUB",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "what eFuses and bootloaders know a public key by",
    .about =
	"PUB is a public key or a certificate. PREFIX.digest.bin is what\n"
	"`espefuse burn-key BLOCK_KEYn PREFIX.digest.bin SECURE_BOOT_DIGEST0`\n"
	"takes, in the order of its bytes; an ESP32 by `burn-key "
	"secure_boot_v2`,\nand an ESP32-C2 keeps the first 16.\n"
	"PREFIX.pub.der, .pub.pem: the key. Of P-256 also PREFIX.mcuboot.c "
	"and\n"
	".keyhash.bin for MCUboot, and PREFIX.v1.bin, X and Y, as the\n"
	"bootloader of Secure Boot V1 has it.",
    .results =
	"file, algorithm, spki_sha256, secure_boot_v2 (its key digest); of\n"
	"P-256 also secure_boot_v2_esp32c2, mcuboot (its key hash); with "
	"--out\n"
	"digest_file, der_file, pem_file, mcuboot_file, keyhash_file, v1_file",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};

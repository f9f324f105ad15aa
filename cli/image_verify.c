/*
 * mintmark image verify: whether a file is signed by a key, offline.
 */
#include <sodium.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/mapped.h"
#include "cli/public_key_file.h"
#include "cli/values.h"
#include "protocol/text.h"
#include "signer/chips.h"
#include "signer/scheme.h"

enum {
	IMAGE_MAX = 256 << 20,
	SIGNATURE_FILE_MAX = 128 << 20, /* a COSE_Sign1 may have its payload */
	ARENA = 65536 + 1024,
	DIGEST = 32
};

struct trial {
	const struct mm_invocation *invocation;
	const struct mm_scheme *scheme;
	struct mm_public_key key;
	bool has_key;
	struct mm_span digest; /* of --key-digest, or empty */
	struct mm_mapped file;
	struct mm_buffer signature;
	struct mm_arena arena;
	struct mm_image_facts facts;
};

static void
trial_clear(struct trial *t)
{
	mm_mapped_clear(&t->file);
	mm_buffer_clear(&t->signature);
	mm_arena_clear(&t->arena);
}

/* ---- what was said */

static enum mm_error
read_scheme(struct trial *t)
{
	const char *name = mm_option(t->invocation, "scheme");
	bool signature = mm_option(t->invocation, "signature") != NULL;
	char known[256] = "";
	size_t count, used = 0;
	const struct mm_scheme *rows = mm_scheme_rows(&count);

	t->scheme = mm_scheme_family(mm_span_text(name));
	for (size_t i = 0; i < count && used < sizeof(known); i++)
		if (i == 0 || strcmp(rows[i].family, rows[i - 1].family) != 0)
			used +=
			    (size_t)snprintf(known + used, sizeof(known) - used,
				"%s%s", i > 0 ? ", " : "", rows[i].family);
	if (t->scheme == NULL)
		return mm_fail(MM_E_USAGE,
		    "there is no scheme %s; there are %s", name, known);
	if (t->scheme->detached && !signature)
		return mm_fail(MM_E_USAGE,
		    "a signature of %s is a file of its own: --signature SIG",
		    t->scheme->family);
	if (!t->scheme->detached && signature)
		return mm_fail(MM_E_USAGE,
		    "a signature of %s is in the file itself, and --signature "
		    "is none",
		    t->scheme->family);
	return MM_OK;
}

static enum mm_error
read_key(struct trial *t)
{
	static const char *const names[] = {"pubkey", "cert", "key-digest"};
	const char *path = mm_option(t->invocation, "pubkey");
	enum mm_error error;

	if (mm_values_said(t->invocation, names, MM_COUNT(names)) != 1)
		return mm_fail(MM_E_USAGE,
		    "say whose signature it should be: --pubkey, --cert or "
		    "--key-digest");
	if (path == NULL)
		path = mm_option(t->invocation, "cert");
	t->has_key = path != NULL;
	if (t->has_key)
		return mm_public_key_file(path, &t->key);
	error = mm_value_hex(
	    t->invocation, "key-digest", DIGEST, &t->arena, &t->digest);
	if (error == MM_OK && t->digest.size != DIGEST &&
	    t->digest.size != DIGEST / 2)
		error = mm_fail(MM_E_USAGE,
		    "--key-digest is 64 digits of hex, or the 32 that an "
		    "ESP32-C2 keeps");
	return error;
}

/* AWS's job documents have it in base64; DER begins with a SEQUENCE. */
static void
take_base64(struct mm_buffer *signature)
{
	uint8_t der[MM_SIGNATURE_MAX];
	size_t size;

	if (signature->size == 0 || signature->data[0] == 0x30 ||
	    !mm_text_is_ascii(mm_buffer_span(signature)) ||
	    sodium_base642bin(der, sizeof(der), (const char *)signature->data,
		signature->size, " \t\r\n", &size, NULL,
		sodium_base64_VARIANT_ORIGINAL) != 0)
		return;
	mm_buffer_reset(signature);
	mm_buffer_add(signature, der, size);
}

static enum mm_error
read_signature(struct trial *t)
{
	const char *path = mm_option(t->invocation, "signature");
	enum mm_error error;

	if (path == NULL)
		return MM_OK;
	error = mm_input(path, SIGNATURE_FILE_MAX, &t->signature);
	if (error == MM_OK && strcmp(t->scheme->name, "sha256-ecdsa") == 0)
		take_base64(&t->signature);
	return error;
}

/* ---- the verdict */

/* A signature is over bytes: what is wrong with the image otherwise does not
 * make it another one. Where its parts are needed, it says so itself. */
static enum mm_error
read_image(struct trial *t)
{
	const char *path = t->invocation->operands[0];
	enum mm_error error = mm_mapped_open(path, IMAGE_MAX, &t->file);

	if (error != MM_OK)
		return error;
	error = mm_image_read(
	    t->file.bytes, mm_span(NULL, 0), &t->arena, &t->facts);
	if (error == MM_E_IMAGE) {
		mm_say("%s is taken as plain bytes: %s", path, mm_why(error));
		mm_arena_clear(&t->arena);
		mm_arena_init(&t->arena, ARENA);
		error = mm_image_read(
		    t->file.bytes, mm_span_text("plain"), &t->arena, &t->facts);
	}
	return error;
}

/* The whole digest of a key of which the chip keeps the first half only. */
static enum mm_error
complete_digest(struct trial *t, uint8_t digest[DIGEST])
{
	const struct mm_chip *chip = mm_chip_named(t->facts.chip);

	if (t->digest.size == DIGEST) {
		memcpy(digest, t->digest.data, DIGEST);
		return MM_OK;
	}
	if (chip == NULL || chip->digest_size != t->digest.size)
		return mm_fail(MM_E_USAGE,
		    "--key-digest is 64 digits of hex: only the ESP32-C2 "
		    "keeps half of it");
	for (mm_list_each(
		 const struct mm_signature_block, block, t->facts.signatures))
		if (block->key.size == DIGEST &&
		    memcmp(block->key.data, t->digest.data, t->digest.size) ==
			0) {
			memcpy(digest, block->key.data, DIGEST);
			return MM_OK;
		}
	return mm_fail(MM_E_IMAGE_SIGNATURE,
	    "none of its %zu signatures is of a key with this digest",
	    t->facts.signatures.count);
}

/* A row's name asks for its algorithm, a family's for any of its. */
static bool
is_of_row(const struct trial *t, const uint8_t digest[DIGEST])
{
	const char *wanted = mm_algorithm_name(t->scheme->algorithm);

	if (strcmp(mm_option(t->invocation, "scheme"), t->scheme->family) == 0)
		return true;
	if (t->has_key)
		return t->key.algorithm == t->scheme->algorithm;
	for (mm_list_each(
		 const struct mm_signature_block, block, t->facts.signatures))
		if (mm_span_equal(block->key, mm_span(digest, DIGEST)) &&
		    mm_span_is(block->algorithm, wanted))
			return true;
	return false;
}

static enum mm_error
judge(struct trial *t)
{
	const struct mm_image image = {t->file.bytes, &t->facts};
	uint8_t digest[DIGEST] = {0};
	enum mm_error error = t->has_key ? MM_OK : complete_digest(t, digest);

	if (error != MM_OK)
		return error;
	if (!is_of_row(t, digest))
		return mm_fail(MM_E_IMAGE_SIGNATURE,
		    "%s is of %s keys, and this is none", t->scheme->name,
		    mm_algorithm_name(t->scheme->algorithm));
	error = t->scheme->verify(&image, mm_buffer_span(&t->signature),
	    t->has_key ? &t->key : NULL, digest);
	return error == MM_E_IMAGE
		   ? mm_fail(MM_E_IMAGE_SIGNATURE, "%s", mm_why(error))
		   : error;
}

static void
report(const struct trial *t, enum mm_error error)
{
	json_t *out = json_pack("{s:o, s:s, s:b}", "file",
	    mm_json_text(mm_span_text(t->invocation->operands[0])), "scheme",
	    mm_option(t->invocation, "scheme"), "verified", error == MM_OK);

	if (error != MM_OK)
		json_object_set_new(out, "reason", json_string(mm_why(error)));
	mm_print(t->invocation, out);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	__attribute__((cleanup(trial_clear))) struct trial t = {
	    .invocation = invocation};
	enum mm_error error = read_scheme(&t);
	uint8_t kept[DIGEST];

	mm_arena_init(&t.arena, ARENA);
	mm_buffer_init(&t.signature, SIGNATURE_FILE_MAX);
	if (error == MM_OK)
		error = read_key(&t);
	/* The arena starts anew with an image that is read again. */
	if (error == MM_OK && t.digest.size > 0) {
		memcpy(kept, t.digest.data, t.digest.size);
		t.digest.data = kept;
	}
	if (error == MM_OK)
		error = read_signature(&t);
	if (error == MM_OK)
		error = read_image(&t);
	if (error != MM_OK)
		return error;
	error = judge(&t);
	if (error == MM_OK ||
	    (error == MM_E_IMAGE_SIGNATURE && invocation->json))
		report(&t, error);
	return error;
}

static const struct mm_cli_option options[] = {
    {"scheme", "SCHEME", "how it is signed", MM_OPTION_MUST},
    {"pubkey", "PUB", "by this key, in PEM or DER", MM_OPTION_MAY},
    {"cert", "CRT", "by this certificate's key", MM_OPTION_MAY},
    {"key-digest", "HEX", "by the key of this digest, as in eFuse or a TLV",
	MM_OPTION_MAY},
    {"signature", "SIG", "the signature, where it is a file of its own",
	MM_OPTION_MAY},
};

const struct mm_command mm_image_verify_command = {
    .noun = "image",
    .verb = "verify",
    .operands = "IMAGE",
    .operand_min = 1,
    .operand_max = 1,
    .summary = "whether a firmware image is signed by a key",
    .about =
	"SCHEME: sha256-ecdsa (SIG in DER, or in base64 as a job document has\n"
	"it), cose-sign1 (SIG: the COSE_Sign1), secure-boot-v1,\n"
	"secure-boot-v2, mcuboot, secure-cert. The exit status is 0 where it\n"
	"is, 1 where it is not, and 65 where a file cannot be read.",
    .results = "file, scheme, verified, reason (where it is not)",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};

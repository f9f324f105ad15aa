/*
 * mintmark receipt verify: what a receipt proves, offline, with nothing but
 * the log's key: that an entry is in the log, and that it speaks of this
 * certificate, image or signature.
 */
#include "cli/appliance.h"
#include "cli/attested.h"
#include "cli/chain.h"

enum { ARENA = 4 << 20, IMAGE_MAX = 256 << 20, SIGNATURE_MAX = 4096 };

/* What was proved, from nothing on. */
struct proved {
	const char *word, *text;
};
static const struct proved
    by_inclusion = {"inclusion", "the entry is in the log"},
    by_tbs = {"tbs",
	"the certificate's TBS is in the log; its signature was not looked "
	"at (--certificate ISSUER)"},
    by_certificate = {"tbs+signature",
	"the certificate's TBS is in the log, and the issuer's key signed "
	"it"},
    by_image = {"image",
	"the image is in the log; a signature was not looked at (the .sig "
	"file and --certificate)"},
    by_signature = {"image+signature",
	"the image is in the log, and the certificate's key signed it"};

struct proof {
	const struct mm_invocation *invocation;
	const char *file, *image, *signer;
	struct mm_arena *arena;
	struct mm_attested attested;
	const struct proved *proved;
};

static enum mm_error
prove_certificate(struct proof *p)
{
	struct mm_certificate issuer, own;
	struct mm_span der, issuer_der;
	enum mm_error error =
	    mm_certificate_input(p->file, p->arena, &der, &own);

	if (error == MM_OK)
		error = mm_attested_tbs(&p->attested, own.tbs);
	p->proved = &by_tbs;
	if (error != MM_OK || p->signer == NULL)
		return error;
	error = mm_certificate_input(p->signer, p->arena, &issuer_der, &issuer);
	if (error == MM_OK &&
	    mm_certificate_verify(der, issuer.read.spki) != MM_OK)
		error = mm_fail(MM_E_MISMATCH,
		    "%s is not signed by the key of %s", p->file, p->signer);
	p->proved = &by_certificate;
	return error;
}

static enum mm_error
prove_signature(struct proof *p)
{
	mm_auto(buffer) signature = {0};
	struct mm_certificate signer;
	struct mm_span der;
	enum mm_error error;

	mm_buffer_init(&signature, SIGNATURE_MAX);
	error = mm_input(p->file, SIGNATURE_MAX, &signature);
	if (error == MM_OK)
		error =
		    mm_certificate_input(p->signer, p->arena, &der, &signer);
	if (error == MM_OK)
		error = mm_attested_signature(
		    &p->attested, mm_buffer_span(&signature), signer.read.spki);
	p->proved = &by_signature;
	return error;
}

static enum mm_error
prove_image(struct proof *p)
{
	mm_auto(buffer) image = {0};
	enum mm_error error;

	mm_buffer_init(&image, IMAGE_MAX);
	error = mm_input(p->image, IMAGE_MAX, &image);
	if (error == MM_OK)
		error = mm_attested_image(&p->attested, mm_buffer_span(&image));
	p->proved = &by_image;
	return error == MM_OK && p->file != NULL ? prove_signature(p) : error;
}

static enum mm_error
prove(struct proof *p)
{
	if (p->image != NULL)
		return prove_image(p);
	if (p->file == NULL)
		return MM_OK;
	if (p->attested.entry.kind == MM_ENTRY_IMAGE)
		return mm_fail(MM_E_USAGE,
		    "the receipt is an image's: name it with --image, and "
		    "its signature as FILE");
	return prove_certificate(p);
}

static enum mm_error
read_receipt(struct proof *p, struct mm_buffer *file)
{
	struct mm_vkey vkey;
	enum mm_error error =
	    mm_vkey_read(mm_option(p->invocation, "key"), &vkey);

	mm_buffer_init(file, MM_RECEIPT_MAX);
	if (error == MM_OK)
		error =
		    mm_input(p->invocation->operands[0], MM_RECEIPT_MAX, file);
	if (error == MM_OK)
		error = mm_attested_read(
		    mm_buffer_span(file), &vkey, p->arena, &p->attested);
	return error;
}

static void
report(const struct proof *p)
{
	json_t *out = mm_attested_json(&p->attested);

	json_object_set_new(out, "proved", json_string(p->proved->word));
	mm_print(p->invocation, out);
	if (!p->invocation->json)
		mm_say("%s", p->proved->text);
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	mm_auto(arena) arena = {0};
	mm_auto(buffer) file = {0};
	struct proof p = {.invocation = invocation,
	    .file = invocation->operands[1],
	    .image = mm_option(invocation, "image"),
	    .signer = mm_option(invocation, "certificate"),
	    .arena = &arena,
	    .proved = &by_inclusion};
	enum mm_error error;

	if (p.signer != NULL && p.file == NULL)
		return mm_fail(MM_E_USAGE,
		    "--certificate goes with a file that it has signed");
	if (p.image != NULL && p.file != NULL && p.signer == NULL)
		return mm_fail(MM_E_USAGE,
		    "the signature %s is checked with the --certificate of "
		    "its key",
		    p.file);
	mm_arena_init(&arena, ARENA);
	error = read_receipt(&p, &file);
	if (error == MM_OK)
		error = prove(&p);
	if (error == MM_OK)
		report(&p);
	return error;
}

static const struct mm_cli_option options[] = {
    {"key", "VKEY", "the log's verifier key, a file", true},
    {"image", "IMAGE", "the image; FILE is its signature", false},
    {"certificate", "CRT", "whose key signed FILE", false},
};

const struct mm_command mm_receipt_verify_command = {
    .noun = "receipt",
    .verb = "verify",
    .operands = "RECEIPT [FILE]",
    .operand_min = 1,
    .operand_max = 2,
    .summary = "what a receipt proves about a certificate or an image",
    .results = MM_ATTESTED_RESULTS
    "\nof a certificate: " MM_ATTESTED_CERTIFICATE_RESULTS
    "\nof an image: " MM_ATTESTED_IMAGE_RESULTS
    "\nproved: inclusion, tbs, tbs+signature, image or image+signature",
    MM_COMMAND_OPTIONS(options),
    .run = run,
};

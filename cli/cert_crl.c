/*
 * mintmark cert crl: the newest CRL of a key of the mint, put together here
 * from its entry, which a receipt proves, and the signature, which is held
 * against the key.
 */
#include <string.h>

#include "ca/crl.h"
#include "ca/revocation.h"
#include "cli/chain.h"
#include "cli/json_value.h"
#include "cli/mint_key.h"
#include "cli/source.h"
#include "cli/values.h"

enum { ARENA = 8 << 20 };

struct fetched {
	const struct mm_invocation *invocation;
	struct mm_appliance appliance;
	struct mm_arena arena;
	struct mm_crl_answer answer;
	struct mm_receipt receipt;
	struct mm_crl_entry entry;
	struct mm_buffer tbs, crl;
	struct mm_crl read;
};

static enum mm_error
ask(struct fetched *f)
{
	struct mm_crl_request request = {
	    mm_value_text(f->invocation, "issuer", "device-ca")};
	struct mm_checkpoint checkpoint;
	struct mm_entry frame;
	enum mm_error error = mm_appliance_ask(
	    &f->appliance, MM_MESSAGE_CRL, &request, &f->arena, &f->answer);

	if (error == MM_OK)
		error = mm_receipt_decode(
		    f->answer.receipt, &f->arena, &f->receipt);
	if (error == MM_OK)
		error = mm_receipt_verify(&f->receipt, &f->appliance.vkey,
		    mm_span(NULL, 0), &checkpoint);
	if (error == MM_OK)
		error = mm_entry_decode_as(f->receipt.entry, MM_ENTRY_CRL,
		    &f->arena, &frame, &f->entry);
	if (error == MM_OK && f->receipt.index != f->answer.index)
		error =
		    mm_fail(MM_E_MISMATCH, "the receipt is of another entry");
	if (error == MM_OK && !mm_span_equal(f->entry.issuer, request.issuer))
		error = mm_fail(MM_E_MISMATCH,
		    "the receipt speaks of the CRL of %.*s",
		    MM_SPAN(f->entry.issuer));
	return error;
}

/* The TBS: in the entry, or the blob that it names. */
static enum mm_error
fetch_tbs(struct fetched *f)
{
	struct mm_source *source;
	struct mm_blob blob;
	enum mm_error error = mm_entry_blob(f->receipt.entry, &blob);

	if (error == MM_OK && blob.size == 0) {
		mm_buffer_add(&f->tbs, f->entry.tbs.data, f->entry.tbs.size);
		return f->tbs.error;
	}
	if (error == MM_OK)
		error = mm_source_open(f->invocation, 0, &source);
	if (error != MM_OK)
		return error;
	error = mm_source_blob(source, &blob, &f->tbs);
	mm_source_close(source);
	return error;
}

/* A CRL is signed as a certificate is. */
static enum mm_error
judge(const struct fetched *f, enum mm_error verified)
{
	return verified == MM_OK ? MM_OK
				 : mm_fail(MM_E_MISMATCH,
				       "the CRL is not signed by the key "
				       "\"%.*s\"",
				       MM_SPAN(f->entry.issuer));
}

/* By the issuer's certificate, where one was brought. */
static enum mm_error
check_by_file(struct fetched *f, const char *path)
{
	struct mm_certificate issuer;
	struct mm_span der;
	enum mm_error error =
	    mm_certificate_input(path, &f->arena, &der, &issuer);

	if (error == MM_OK &&
	    !mm_span_equal(issuer.read.subject, f->read.issuer))
		error = mm_fail(MM_E_CERTIFICATE,
		    "the CRL is not of the issuer of %s", path);
	return error == MM_OK
		   ? judge(f, mm_certificate_verify(
				  mm_buffer_span(&f->crl), issuer.read.spki))
		   : error;
}

/* By the key of this name, as the log has it. */
static enum mm_error
check_by_log(struct fetched *f)
{
	struct mm_source *source;
	struct mm_genesis genesis;
	struct mm_mint_key key;
	enum mm_error error = mm_source_open(f->invocation, 0, &source);

	if (error != MM_OK)
		return error;
	error = mm_mint_genesis(source, &f->arena, &genesis);
	if (error == MM_OK)
		error = mm_mint_key(source, &genesis, f->entry.issuer,
		    mm_source_checkpoint(source)->size, &f->arena, &key);
	if (error == MM_OK)
		error = mm_source_settle(source);
	mm_source_close(source);
	return error == MM_OK ? judge(f, mm_certificate_verify(
					     mm_buffer_span(&f->crl), key.spki))
			      : error;
}

/* Who may not read the log holds it against the key that the TBS names as
 * its issuer's, and the TBS is in the log. */
static enum mm_error
check_issuer(struct fetched *f)
{
	const char *path = mm_option(f->invocation, "issuer-cert");
	enum mm_error error =
	    path != NULL ? check_by_file(f, path) : check_by_log(f);

	return error == MM_E_ROLE
		   ? judge(f, mm_certificate_verify_identifier(
				  mm_buffer_span(&f->crl), f->read.authority))
		   : error;
}

/* Number, times and how many are revoked: what is told of it. */
static bool
is_of_entry(const struct fetched *f)
{
	struct mm_der revoked = f->read.revoked;
	struct mm_crl_revoked one;
	uint64_t count = 0;

	for (; mm_der_more(&revoked); count++)
		if (mm_crl_next(&revoked, &one) != MM_OK)
			return false;
	return f->read.number == f->entry.number &&
	       f->read.this_update == f->entry.this_update &&
	       f->read.next_update == f->entry.next_update &&
	       count == f->entry.count;
}

static enum mm_error
put_together(struct fetched *f)
{
	enum mm_error error = fetch_tbs(f);

	if (error == MM_OK)
		error = mm_crl_read(mm_buffer_span(&f->tbs), &f->read);
	if (error == MM_OK && !is_of_entry(f))
		error = mm_fail(MM_E_MISMATCH,
		    "the CRL says something else than its entry");
	if (error == MM_OK)
		error = mm_crl_assemble(
		    mm_buffer_span(&f->tbs), f->answer.signature, &f->crl);
	return error == MM_OK ? check_issuer(f) : error;
}

static enum mm_error
write_out(struct fetched *f)
{
	const char *path = mm_option(f->invocation, "out");
	mm_auto(buffer) pem = {0};
	enum mm_error error;

	if (mm_option(f->invocation, "pem") == NULL)
		return mm_output(f->invocation, path, mm_buffer_span(&f->crl));
	mm_buffer_init(&pem, 2 * MM_BLOB_MAX);
	error = mm_pem_encode("X509 CRL", mm_buffer_span(&f->crl), &pem);
	return error == MM_OK
		   ? mm_output(f->invocation, path, mm_buffer_span(&pem))
		   : error;
}

static enum mm_error
fetch(struct fetched *f)
{
	const char *path = mm_option(f->invocation, "out");
	const char *receipt = mm_option(f->invocation, "receipt");
	static const char *const names[] = {"issuer"};
	enum mm_error error =
	    mm_values_named(f->invocation, names, MM_COUNT(names));

	if (error == MM_OK)
		error = mm_output_check(f->invocation, path);
	if (error == MM_OK && receipt != NULL)
		error = mm_output_check(f->invocation, receipt);
	if (error == MM_OK)
		error =
		    mm_appliance_read(f->invocation, MM_WAIT, &f->appliance);
	if (error == MM_OK)
		error = ask(f);
	if (error == MM_OK)
		error = put_together(f);
	if (error == MM_OK)
		error = write_out(f);
	if (error == MM_OK && receipt != NULL)
		error = mm_output(f->invocation, receipt, f->answer.receipt);
	if (error != MM_OK || strcmp(path, "-") == 0)
		return error;
	mm_print(f->invocation,
	    json_pack("{s:o, s:I, s:o, s:o, s:I, s:I}", "issuer",
		mm_json_text(f->entry.issuer), "number",
		(json_int_t)f->entry.number, "this_update",
		mm_json_time(f->entry.this_update), "next_update",
		mm_json_time(f->entry.next_update), "revoked",
		(json_int_t)f->entry.count, "index",
		(json_int_t)f->answer.index));
	return MM_OK;
}

static enum mm_error
run(const struct mm_invocation *invocation)
{
	struct fetched f = {.invocation = invocation};
	enum mm_error error;

	mm_arena_init(&f.arena, ARENA);
	mm_buffer_init(&f.tbs, MM_BLOB_MAX);
	mm_buffer_init(&f.crl, MM_BLOB_MAX + 4096);
	error = fetch(&f);
	mm_buffer_clear(&f.tbs);
	mm_buffer_clear(&f.crl);
	mm_arena_clear(&f.arena);
	return error;
}

static const struct mm_cli_option options[] = {
    MM_OPTION_IDENTITY,
    {"issuer", "KEY", "the name of the CA's key (device-ca)", false},
    {"issuer-cert", "FILE", "verify it by this certificate (the log's own key)",
	false},
    {"out", "FILE", "where the CRL goes, DER", true},
    {"pem", NULL, "PEM instead", false},
    {"receipt", "FILE", "where its receipt goes", false},
    MM_OPTION_WAIT,
};

const struct mm_command mm_cert_crl_command = {
    .noun = "cert",
    .verb = "crl",
    .operands = "",
    .summary = "the newest CRL of a CA of the mint",
    .results = "issuer, number, this_update, next_update, revoked, index",
    .writes = true,
    MM_COMMAND_OPTIONS(options),
    .run = run,
};

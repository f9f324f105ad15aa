#include "cli/release_answer.h"

#include <string.h>

#include "cli/chain.h"
#include "cli/result_files.h"

static const char *const suffixes[] = {
    ".sig", ".crt", ".chain.pem", ".receipt"};

static enum mm_error
check_wanted(const struct mm_release_answer *answer,
    const struct mm_release_wanted *wanted, const struct mm_attested *attested)
{
	const struct mm_image_entry *entry = &attested->body.image;
	enum mm_error error = mm_attested_is(attested, MM_ENTRY_IMAGE);

	if (error != MM_OK)
		return error;
	if (!mm_span_equal(wanted->product, entry->product) ||
	    !mm_span_equal(wanted->version, entry->version) ||
	    !mm_span_equal(wanted->scheme, entry->scheme) ||
	    attested->receipt.index != answer->index ||
	    memcmp(answer->sha256, entry->sha256, sizeof(entry->sha256)) != 0)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance answered with the receipt of another "
		    "release");
	return wanted->image.size > 0
		   ? mm_attested_image(attested, wanted->image)
		   : MM_OK;
}

static enum mm_error
check_signature(const struct mm_release_answer *answer,
    const struct mm_attested *attested, struct mm_arena *arena)
{
	struct mm_certificate signer;
	enum mm_error error =
	    mm_certificate_open(answer->certificate, arena, &signer);

	if (error == MM_OK)
		error =
		    mm_purpose_check(MM_PURPOSE_CODE_SIGNING, signer.read.ca,
			signer.read.key_usage, signer.read.purposes);
	if (error == MM_OK)
		error = mm_attested_signature(
		    attested, answer->signature, signer.read.spki);
	if (error == MM_OK)
		error =
		    mm_chain_check(answer->certificate, &answer->chain, arena);
	return error;
}

enum mm_error
mm_release_answer_check(const struct mm_release_answer *answer,
    const struct mm_release_wanted *wanted, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_attested attested;
	enum mm_error error =
	    mm_attested_read(answer->receipt, vkey, arena, &attested);

	if (error == MM_OK)
		error = check_wanted(answer, wanted, &attested);
	if (error == MM_OK)
		error = check_signature(answer, &attested, arena);
	if (error == MM_OK)
		*out = attested;
	return error;
}

enum mm_error
mm_release_files_check(
    const struct mm_invocation *invocation, const char *prefix)
{
	return mm_results_check(
	    invocation, prefix, suffixes, MM_COUNT(suffixes));
}

static enum mm_error
write_files(const struct mm_invocation *invocation, const char *prefix,
    const struct mm_release_answer *answer, json_t *report)
{
	struct mm_bytes_item own = {answer->certificate};
	struct mm_list leaf = {&own, 1};
	enum mm_error error = mm_result_write(
	    invocation, prefix, ".sig", answer->signature, "signature", report);

	if (error == MM_OK)
		error = mm_result_certificates(
		    invocation, prefix, ".crt", &leaf, "certificate", report);
	if (error == MM_OK)
		error = mm_result_certificates(invocation, prefix, ".chain.pem",
		    &answer->chain, "chain", report);
	if (error == MM_OK)
		error = mm_result_write(invocation, prefix, ".receipt",
		    answer->receipt, "receipt", report);
	return error;
}

enum mm_error
mm_release_report(const struct mm_invocation *invocation, const char *prefix,
    const struct mm_release_answer *answer, const struct mm_attested *attested)
{
	json_t *report = mm_attested_json(attested);
	enum mm_error error = write_files(invocation, prefix, answer, report);

	if (error == MM_OK)
		mm_print(invocation, report);
	else
		json_decref(report);
	return error;
}

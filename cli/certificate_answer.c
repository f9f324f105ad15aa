#include "cli/certificate_answer.h"

#include <string.h>

#include "cli/chain.h"
#include "cli/result_files.h"

static const char *const suffixes[] = {".crt", ".chain.pem", ".receipt"};

static enum mm_error
differs(const char *what)
{
	return mm_fail(MM_E_MISMATCH,
	    "the appliance answered with a certificate for another %s", what);
}

static bool
other(struct mm_span wanted, struct mm_span found)
{
	return wanted.size > 0 && !mm_span_equal(wanted, found);
}

/* A serial is a number: what stands before its first digit does not count. */
static struct mm_span
magnitude(struct mm_span serial)
{
	while (serial.size > 0 && serial.data[0] == 0)
		serial = mm_span(serial.data + 1, serial.size - 1);
	return serial;
}

static enum mm_error
check_wanted(const struct mm_certificate_wanted *wanted,
    const struct mm_certificate_entry *entry, const struct mm_tbs *tbs)
{
	struct mm_span serial = mm_span(tbs->serial, sizeof(tbs->serial));

	if (other(wanted->profile, entry->profile))
		return differs("profile");
	if (other(wanted->device, entry->subject))
		return differs("device");
	if (other(wanted->spki, tbs->spki))
		return differs("key");
	if (other(magnitude(wanted->serial), magnitude(serial)))
		return differs("serial number");
	return MM_OK;
}

/* Whether the chain begins with the key that the TBS names. */
static bool
names_first(const struct mm_tbs *tbs, const struct mm_list *chain,
    struct mm_arena *arena, struct mm_certificate *out)
{
	return chain->count > 0 && tbs->authority.size == MM_SKI_SIZE &&
	       mm_certificate_open(
		   mm_list_at(*chain, struct mm_bytes_item, 0)->value, arena,
		   out) == MM_OK &&
	       memcmp(tbs->authority.data, out->read.key.ski, MM_SKI_SIZE) == 0;
}

/* Without that key at hand the signature has to tell it, which takes several
 * times as long as to verify by it. */
static enum mm_error
check_signatures(const struct mm_certificate_answer *answer,
    const struct mm_tbs *tbs, struct mm_arena *arena)
{
	const struct mm_bytes_item *chain = answer->chain.items;
	struct mm_certificate issuer;
	enum mm_error error;

	if (!names_first(tbs, &answer->chain, arena, &issuer)) {
		error = mm_certificate_signed(answer->certificate, tbs);
		return error == MM_OK ? mm_chain_check(answer->certificate,
					    &answer->chain, arena)
				      : error;
	}
	if (mm_certificate_verify(answer->certificate, issuer.read.spki) !=
	    MM_OK)
		return mm_fail(MM_E_MISMATCH,
		    "the log's certificate is not signed by the key that it "
		    "names");
	return mm_chain_check(chain[0].value,
	    &(const struct mm_list){chain + 1, answer->chain.count - 1}, arena);
}

enum mm_error
mm_certificate_answer_check(const struct mm_certificate_answer *answer,
    const struct mm_certificate_wanted *wanted, const struct mm_vkey *vkey,
    struct mm_arena *arena, struct mm_attested *out)
{
	struct mm_certificate certificate;
	struct mm_attested attested;
	enum mm_error error =
	    mm_certificate_open(answer->certificate, arena, &certificate);

	if (error == MM_OK)
		error = mm_attested_read_next(
		    answer->receipt, vkey, wanted->memory, arena, &attested);
	if (error == MM_OK)
		error = mm_attested_tbs(&attested, certificate.tbs);
	if (error == MM_OK && attested.receipt.index != answer->index)
		error = differs("index");
	if (error == MM_OK)
		error = check_wanted(
		    wanted, &attested.body.certificate, &certificate.read);
	if (error == MM_OK)
		error = check_signatures(answer, &certificate.read, arena);
	if (error == MM_OK)
		*out = attested;
	return error;
}

enum mm_error
mm_certificate_files_check(
    const struct mm_invocation *invocation, const char *prefix)
{
	return mm_results_check(
	    invocation, prefix, suffixes, MM_COUNT(suffixes));
}

static enum mm_error
write_files(const struct mm_invocation *invocation, const char *prefix,
    const struct mm_certificate_answer *answer, json_t *report)
{
	struct mm_bytes_item own = {answer->certificate};
	struct mm_list leaf = {&own, 1};
	enum mm_error error = mm_result_certificates(
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
mm_certificate_report(const struct mm_invocation *invocation,
    const char *prefix, const struct mm_certificate_answer *answer,
    const struct mm_attested *attested)
{
	json_t *report = mm_attested_json(attested);
	enum mm_error error = MM_OK;

	if (prefix != NULL)
		error = write_files(invocation, prefix, answer, report);
	else
		json_object_update_new(
		    report, json_pack("{s:n, s:n, s:n}", "certificate", "chain",
				"receipt"));

	if (error == MM_OK)
		mm_print(invocation, report);
	else
		json_decref(report);
	return error;
}

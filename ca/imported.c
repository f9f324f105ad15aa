/*
 * Certificates that a CA outside made for keys of the mint: serial numbers,
 * signature algorithms and extensions are as that CA likes them, so they are
 * read by the linter's reader, which knows more than the mint writes.
 */
#include <string.h>

#include "ca/lint_parts.h"
#include "ca/request.h"
#include "ca/tbs.h"
#include "protocol/statement.h"

static enum mm_error
unfit(const char *why)
{
	return mm_fail(MM_E_CERTIFICATE, "the imported certificate: %s", why);
}

static enum mm_error
read_foreign(struct mm_span tbs, struct mm_lint_view *view)
{
	const char *what = "", *clause = mm_lint_read(tbs, false, view, &what);

	return clause == NULL
		   ? MM_OK
		   : mm_fail(MM_E_CERTIFICATE,
			 "the issuer's certificate: %s: %s", clause, what);
}

/* What other readers do not know must not be critical: RFC 5280 4.2. */
static bool
knows_critical(const struct mm_lint_view *view)
{
	for (size_t i = 0; i < view->count; i++) {
		const struct mm_lint_extension *one = &view->extensions[i];

		if (one->critical && one != view->constraints &&
		    one != view->usage && one != view->extended &&
		    one != view->names)
			return false;
	}
	return true;
}

static enum mm_error
take_foreign(struct mm_span bytes, struct mm_arena *arena, struct mm_tbs *out)
{
	struct mm_span tbs = mm_arena_copy(arena, bytes);
	struct mm_lint_view view;
	struct mm_tbs read = {.ca = false};
	enum mm_error error;

	if (tbs.data == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a TBS");
	error = read_foreign(tbs, &view);
	if (error == MM_OK)
		error = mm_key_read(view.spki, &read.key);
	if (error != MM_OK)
		return error;
	if (!mm_span_equal(view.ski, mm_span(read.key.ski, MM_SKI_SIZE)))
		return unfit("its subjectKeyIdentifier is not the one that "
			     "the CSR asked for");
	read.not_before = view.not_before;
	read.not_after =
	    view.not_after == MM_DER_TIME_MAX ? UINT64_MAX : view.not_after;
	read.issuer = view.issuer.der;
	read.subject = view.subject.der;
	read.spki = view.spki;
	if (view.aki.size == MM_SKI_SIZE)
		read.authority = view.aki;
	read.key_usage = view.key_usage;
	read.ca = view.ca;
	read.path = view.path;
	read.path_length = view.path_length;
	*out = read;
	return MM_OK;
}

enum mm_error
mm_issuer_read(struct mm_span tbs, struct mm_arena *arena, struct mm_tbs *out)
{
	enum mm_error error = mm_tbs_read(tbs, arena, out);

	return error == MM_E_CERTIFICATE ? take_foreign(tbs, arena, out)
					 : error;
}

enum mm_error
mm_imported_tbs(struct mm_span certificate, struct mm_buffer *out)
{
	struct mm_lint_view view;
	const char *what = "",
		   *clause = mm_lint_read(certificate, true, &view, &what);

	if (clause != NULL)
		return mm_fail(MM_E_CERTIFICATE,
		    "the imported certificate: %s: %s", clause, what);
	mm_buffer_add(out, view.tbs.data, view.tbs.size);
	return out->error;
}

/* By use: what the mint does with the key. */
static enum mm_error
check_use(const struct mm_lint_view *view, uint64_t use)
{
	bool ca = use != MM_KEY_CODE_SIGNING;

	if (mm_key_use_name(use) == NULL)
		return unfit("there is no such use of a key");
	if (view->ca != ca)
		return unfit(ca ? "basicConstraints: it is no CA's"
				: "basicConstraints: it is a CA's");
	if (ca)
		return (view->key_usage & MM_KU_KEY_CERT_SIGN) != 0
			   ? MM_OK
			   : unfit("keyUsage: it may not sign certificates");
	if (view->usage != NULL &&
	    (view->key_usage & MM_KU_DIGITAL_SIGNATURE) == 0)
		return unfit("keyUsage: it may not sign");
	return MM_LINT_HAS(view, MM_LINT_CODE_AUTH)
		   ? MM_OK
		   : unfit("extendedKeyUsage: it is not for code signing");
}

enum mm_error
mm_imported_check(struct mm_span certificate, uint64_t use, struct mm_span spki)
{
	const struct mm_span none = {NULL, 0};
	struct mm_lint_view view;
	const char *what = "";
	struct mm_key key;
	enum mm_error error =
	    mm_lint_certificate(certificate, MM_STANDARD_NONE, none, NULL);

	if (error != MM_OK)
		return unfit(mm_why(error));
	if (mm_lint_read(certificate, true, &view, &what) != NULL)
		return unfit(what);
	if (!mm_span_equal(view.spki, spki))
		return unfit("it is for another key");
	error = mm_key_read(spki, &key);
	if (error != MM_OK)
		return unfit(mm_why(error));
	if (!mm_span_equal(view.ski, mm_span(key.ski, MM_SKI_SIZE)))
		return unfit("its subjectKeyIdentifier is not the one that "
			     "the CSR asked for; the CA outside must take it "
			     "over");
	if (view.tbs.size > MM_TBS_MAX)
		return unfit("it is too large");
	if (!knows_critical(&view))
		return unfit("it has a critical extension that is not known");
	return check_use(&view, use);
}

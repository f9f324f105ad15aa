/*
 * The linter: reads, then goes through the tables of rules, RFC 5280's first
 * and the standard's after it.
 */
#include "ca/lint.h"

#include <stdarg.h>
#include <stdio.h>

#include "ca/lint_parts.h"

static const struct mm_lint_rules *const standards[MM_STANDARDS] = {
    [MM_STANDARD_AWS_IOT] = &mm_lint_aws,
    [MM_STANDARD_IDEVID] = &mm_lint_idevid,
    [MM_STANDARD_MATTER_DAC] = &mm_lint_dac,
    [MM_STANDARD_MATTER_PAI] = &mm_lint_pai,
    [MM_STANDARD_MATTER_PAA] = &mm_lint_paa,
    [MM_STANDARD_TLS_CLIENT] = &mm_lint_tls_client,
    [MM_STANDARD_TLS_SERVER] = &mm_lint_tls_server,
    [MM_STANDARD_CODE_SIGNING] = &mm_lint_code_signing,
    [MM_STANDARD_CA] = &mm_lint_ca};

bool
mm_lint_find(struct mm_lint_case *c, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(c->found.what, sizeof(c->found.what), format, arguments);
	va_end(arguments);
	return false;
}

static enum mm_error
broken(struct mm_lint_case *c, const char *clause, struct mm_lint *out)
{
	c->found.clause = clause;
	if (out != NULL)
		*out = c->found;
	return mm_fail(MM_E_STANDARD, "%s: %s", clause, c->found.what);
}

static enum mm_error
go_through(struct mm_lint_case *c, const struct mm_lint_rules *table,
    struct mm_lint *out)
{
	for (size_t i = 0; i < table->count; i++)
		if (!table->rules[i].kept(c))
			return broken(c, table->rules[i].clause, out);
	return MM_OK;
}

static enum mm_error
judge(struct mm_lint_case *c, uint64_t standard, struct mm_lint *out)
{
	enum mm_error error = go_through(c, &mm_lint_rfc5280, out);

	if (error == MM_OK && c->has_issuer)
		error = go_through(c, &mm_lint_chain, out);
	if (error == MM_OK && standard != MM_STANDARD_NONE)
		error = go_through(c, standards[standard], out);
	return error;
}

static enum mm_error
lint(struct mm_span der, bool is_signed, uint64_t standard,
    struct mm_span issuer, struct mm_lint *out)
{
	struct mm_lint_case c;
	const char *what = "";
	const char *clause = mm_lint_read(der, is_signed, &c.own, &what);

	if (standard >= MM_STANDARDS)
		return mm_fail(MM_E_RANGE, "there is no standard number %llu",
		    (unsigned long long)standard);
	c.has_issuer = issuer.size > 0;
	if (clause == NULL && c.has_issuer) {
		clause = mm_lint_read_any(issuer, &c.issuer, &what);
		if (clause != NULL) {
			mm_lint_find(
			    &c, "of its issuer's certificate: %s", what);
			return broken(&c, clause, out);
		}
	}
	if (clause != NULL) {
		mm_lint_find(&c, "%s", what);
		return broken(&c, clause, out);
	}
	return judge(&c, standard, out);
}

enum mm_error
mm_lint_certificate(struct mm_span certificate, uint64_t standard,
    struct mm_span issuer, struct mm_lint *out)
{
	return lint(certificate, true, standard, issuer, out);
}

enum mm_error
mm_lint_tbs(struct mm_span tbs, uint64_t standard, struct mm_span issuer,
    struct mm_lint *out)
{
	return lint(tbs, false, standard, issuer, out);
}

size_t
mm_lint_attributes(const struct mm_lint_name *name, struct mm_span oid,
    const struct mm_lint_attribute **first)
{
	size_t count = 0;

	*first = NULL;
	for (size_t i = 0; i < name->count; i++) {
		if (!mm_span_equal(name->parts[i].oid, oid))
			continue;
		if (count++ == 0)
			*first = &name->parts[i];
	}
	return count;
}

bool
mm_lint_has_(const struct mm_lint_view *view, struct mm_span purpose)
{
	for (size_t i = 0; i < view->purpose_count; i++)
		if (mm_span_equal(view->purposes[i], purpose))
			return true;
	return false;
}

#include "cli/result_files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static enum mm_error
join(char out[PATH_MAX], const char *prefix, const char *suffix)
{
	int length = snprintf(out, PATH_MAX, "%s%s", prefix, suffix);

	if (length < 0 || length >= PATH_MAX)
		return mm_fail(
		    MM_E_FILE, "the path %s%s is too long", prefix, suffix);
	return MM_OK;
}

static bool
plain(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
	       (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

enum mm_error
mm_result_prefix(const struct mm_invocation *invocation, struct mm_span name,
    char out[PATH_MAX])
{
	const char *said = mm_option(invocation, "out");

	if (said != NULL)
		return join(out, said, "");
	mm_span_string(name, out, PATH_MAX);
	for (char *c = out; *c != '\0'; c++)
		if (!plain(*c))
			*c = '_';
	return MM_OK;
}

enum mm_error
mm_results_check(const struct mm_invocation *invocation, const char *prefix,
    const char *const *suffixes, size_t count)
{
	char path[PATH_MAX];
	enum mm_error error = MM_OK;

	if (strcmp(prefix, "-") == 0)
		return mm_fail(MM_E_USAGE,
		    "--out is what the files' names begin with; there are "
		    "too many for stdout");
	for (size_t i = 0; i < count && error == MM_OK; i++) {
		error = join(path, prefix, suffixes[i]);
		if (error == MM_OK)
			error = mm_output_check(invocation, path);
	}
	return error;
}

enum mm_error
mm_result_write(const struct mm_invocation *invocation, const char *prefix,
    const char *suffix, struct mm_span bytes, const char *key, json_t *report)
{
	char path[PATH_MAX];
	enum mm_error error = join(path, prefix, suffix);

	if (error == MM_OK)
		error = mm_file_write(path, bytes, 0644, invocation->force);
	if (error == MM_OK)
		json_object_set_new(report, key, json_string(path));
	return error;
}

enum mm_error
mm_result_certificates(const struct mm_invocation *invocation,
    const char *prefix, const char *suffix, const struct mm_list *chain,
    const char *key, json_t *report)
{
	struct mm_span der[MM_CHAIN_MAX];
	char path[PATH_MAX];
	enum mm_error error = join(path, prefix, suffix);

	if (error != MM_OK)
		return error;
	if (chain->count > MM_COUNT(der))
		return mm_fail(MM_E_RANGE, "the chain is too long");
	json_object_set_new(
	    report, key, chain->count > 0 ? json_string(path) : json_null());
	/* What an earlier run left would not be this result's. */
	if (chain->count == 0 && invocation->force && unlink(path) < 0 &&
	    errno != ENOENT)
		return mm_fail(
		    MM_E_FILE, "cannot remove %s: %s", path, strerror(errno));
	if (chain->count == 0)
		return MM_OK;
	for (size_t i = 0; i < chain->count; i++)
		der[i] = mm_list_at(*chain, struct mm_bytes_item, i)->value;
	return mm_output_certificates(invocation, path, der, chain->count);
}

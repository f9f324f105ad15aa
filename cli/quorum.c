#include "cli/quorum.h"

#include <string.h>

#include "cli/values.h"

static enum mm_error
check_distinct(const struct mm_quorum *quorum, const char *path)
{
	const struct mm_witness *last = &quorum->witnesses[quorum->count];

	for (size_t i = 0; i < quorum->count; i++)
		if (memcmp(quorum->witnesses[i].vkey.public_key,
			last->vkey.public_key,
			sizeof(last->vkey.public_key)) == 0)
			return mm_fail(MM_E_USAGE,
			    "--witness %s has the key of --witness %s; a key "
			    "counts once",
			    path, quorum->witnesses[i].vkey.name);
	return MM_OK;
}

static enum mm_error
read_quorum(const struct mm_invocation *invocation, struct mm_quorum *out)
{
	if (out->count == 0 && mm_option(invocation, "quorum") != NULL)
		return mm_fail(MM_E_USAGE,
		    "--quorum counts the --witness keys, and there are none");
	out->needed = out->count;
	if (out->count == 0)
		return MM_OK;
	return mm_value_number(
	    invocation, "quorum", 1, out->count, &out->needed);
}

enum mm_error
mm_quorum_read(const struct mm_invocation *invocation, struct mm_quorum *out)
{
	const char *path;

	out->count = 0;
	while (
	    (path = mm_option_nth(invocation, "witness", out->count)) != NULL) {
		enum mm_error error =
		    mm_witness_read(path, &out->witnesses[out->count]);

		if (error == MM_OK)
			error = check_distinct(out, path);
		if (error != MM_OK)
			return error;
		out->count++;
	}
	return read_quorum(invocation, out);
}

/* Whoever holds the log's key would else witness what it signs. */
static enum mm_error
check_others(const struct mm_quorum *quorum, const struct mm_vkey *log)
{
	for (size_t i = 0; i < quorum->count; i++)
		if (memcmp(quorum->witnesses[i].vkey.public_key,
			log->public_key, sizeof(log->public_key)) == 0)
			return mm_fail(MM_E_USAGE,
			    "--witness %s has the log's own key: a log does "
			    "not witness itself",
			    quorum->witnesses[i].vkey.name);
	return MM_OK;
}

enum mm_error
mm_quorum_check(struct mm_quorum *quorum, const struct mm_vkey *log,
    struct mm_span note, const char *advice)
{
	enum mm_error error = check_others(quorum, log);

	if (error == MM_OK)
		error = mm_cosignatures_open(
		    note, quorum->witnesses, quorum->count, &quorum->seen);
	if (error == MM_OK && quorum->seen.count < quorum->needed)
		error = mm_fail(MM_E_QUORUM,
		    "%zu of the %zu witnesses have cosigned the checkpoint; "
		    "%llu must have (%s)",
		    quorum->seen.count, quorum->count,
		    (unsigned long long)quorum->needed, advice);
	return error;
}

void
mm_quorum_json(const struct mm_quorum *quorum, json_t *out)
{
	json_t *witnesses;

	if (quorum->count == 0)
		return;
	witnesses = json_array();
	for (size_t i = 0; i < quorum->seen.count; i++) {
		const struct mm_cosignature *one = &quorum->seen.items[i];

		json_array_append_new(
		    witnesses, json_pack("{s:s, s:o}", "name",
				   quorum->witnesses[one->witness].vkey.name,
				   "time", mm_json_time(one->time)));
	}
	json_object_set_new(out, "witnesses", witnesses);
	json_object_set_new(out, "quorum", mm_json_number(quorum->needed));
}

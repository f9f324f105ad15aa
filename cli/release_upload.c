#include "cli/release_upload.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"
#include "cli/progress.h"
#include "protocol/text.h"

enum {
	NAMES = 256,
	WHY = 256,
	WAITS = 5 /* for what has arrived; then all of it goes again */
};

struct uploading {
	struct mm_submit_request request;
	struct mm_span image;
	struct mm_progress progress;
	uint64_t there; /* bytes that have arrived, of any attempt */
	unsigned waits; /* attempts that would have begun anew */
	struct mm_arena *arena;
	struct mm_submit_answer answer;
};

static void
tell(void *self, uint64_t done, uint64_t size)
{
	struct uploading *u = self;

	u->there = done;
	mm_progress_tell(&u->progress, done, size);
}

static enum mm_error
attempt(struct mm_client *client, void *self)
{
	struct uploading *u = self;
	uint8_t id[MM_ID_SIZE];
	enum mm_error error;

	mm_progress_begin(&u->progress, "bytes");
	error = mm_client_upload(client, u->image,
	    u->there > 0 && u->waits++ < WAITS ? u->there : 0, tell, u,
	    &u->request.upload);
	mm_progress_end(&u->progress);
	if (error != MM_OK)
		return error;
	/* Nothing comes of asking twice: each may have an id of its own. */
	randombytes_buf(id, sizeof(id));
	return mm_client_ask(
	    client, MM_MESSAGE_SUBMIT, &u->request, id, u->arena, &u->answer);
}

enum mm_error
mm_release_upload(const struct mm_appliance *appliance,
    const struct mm_own_image *image, struct mm_span product,
    struct mm_span version, struct mm_arena *arena,
    struct mm_submit_answer *out)
{
	struct uploading u = {
	    .request = {.product = product, .version = version},
	    .image = mm_own_image_bytes(image),
	    .arena = arena};
	uint64_t before;
	enum mm_error error;

	do {
		before = u.there;
		error = mm_appliance_try(appliance, attempt, &u);
	} while (error == MM_E_AWAY && u.there > before);
	if (error != MM_OK)
		return error;
	if (memcmp(u.answer.sha256, image->facts.sha256,
		sizeof(u.answer.sha256)) != 0 ||
	    u.answer.size != image->facts.size)
		return mm_fail(MM_E_MISMATCH,
		    "the appliance answered about another image");
	*out = u.answer;
	return MM_OK;
}

/* ---- the rules */

static const char *
verdict_name(uint64_t verdict)
{
	static const char *const names[] = {[MM_RULE_PASSED] = "passed",
	    [MM_RULE_FAILED] = "failed",
	    [MM_RULE_SILENT] = "-"};

	return verdict < MM_COUNT(names) && names[verdict] != NULL
		   ? names[verdict]
		   : "?";
}

json_t *
mm_release_rules(const struct mm_submit_answer *answer)
{
	json_t *out = json_array();

	for (mm_list_each(const struct mm_rule_row, row, answer->rules))
		json_array_append_new(
		    out, json_pack("{s:o, s:s, s:o}", "rule",
			     mm_json_text(row->name), "verdict",
			     verdict_name(row->verdict), "why",
			     row->why.size > 0 ? mm_json_text(row->why)
					       : json_null()));
	return out;
}

/* Not by table.h: a reason is told to its end. */
void
mm_release_print_rules(const struct mm_submit_answer *answer)
{
	char name[MM_NAME_MAX + 1], why[WHY];

	for (mm_list_each(const struct mm_rule_row, row, answer->rules)) {
		mm_text_clean(row->name, name, sizeof(name));
		mm_text_clean(row->why, why, sizeof(why));
		printf(
		    "%-15s  %-6s  %s\n", name, verdict_name(row->verdict), why);
	}
}

enum mm_error
mm_release_verdict(const struct mm_submit_answer *answer)
{
	char names[NAMES] = "";
	size_t failed = 0, used = 0;

	for (mm_list_each(const struct mm_rule_row, row, answer->rules)) {
		if (row->verdict != MM_RULE_FAILED)
			continue;
		if (used < sizeof(names) - 1)
			used += (size_t)snprintf(names + used,
			    sizeof(names) - used, "%s%.*s",
			    failed > 0 ? ", " : "", MM_SPAN(row->name));
		failed++;
	}
	if (answer->state != MM_RELEASE_REFUSED)
		return failed == 0
			   ? MM_OK
			   : mm_fail(MM_E_PEER,
				 "the appliance goes on with an image that "
				 "breaks rules, as it says itself: %s",
				 names);
	return mm_fail(MM_E_IMAGE_RULES,
	    "the image breaks %zu of its product's %zu rules: %s; nothing of "
	    "it is kept",
	    failed, answer->rules.count, names);
}

#include "cli/release_ota.h"

#include <stdio.h>
#include <string.h>

#include "cli/json_value.h"

enum {
	JOB_ID_MAX = 72, /* formats of OTA: what the agent takes */
	NAME_SIZE = 256
};
/* AWS puts it before an update's id, which gives the id of the update's job. */
static const char job_prefix[] = "AFR_OTA-";

static const char *
said(const struct mm_ota_facts *facts, const char *name, const char *otherwise)
{
	const char *value = mm_option(facts->invocation, name);

	return value != NULL ? value : otherwise;
}

static bool
is_plain(const char *text)
{
	return text[strspn(text,
		   "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
		   "0123456789_-")] == '\0' &&
	       text[0] != '\0';
}

/* AWS takes letters, digits, _ and - in a job's id. Of a name that is too long
 * the end stays: the version, by which jobs differ. */
static void
default_id(const struct mm_ota_facts *facts, char out[JOB_ID_MAX + 1])
{
	const struct mm_image_entry *entry = &facts->one->attested.body.image;
	char name[NAME_SIZE];
	size_t room = JOB_ID_MAX - strlen(job_prefix), size;

	snprintf(name, sizeof(name), "%.*s-%.*s", MM_SPAN(entry->product),
	    MM_SPAN(entry->version));
	size = strlen(name);
	snprintf(out, JOB_ID_MAX + 1, "%s%s", job_prefix,
	    name + (size > room ? size - room : 0));
	for (char *c = out; *c != '\0'; c++) {
		const char one[2] = {*c, '\0'};

		if (!is_plain(one))
			*c = '_';
	}
}

static enum mm_error
read_id(const struct mm_ota_facts *facts, char out[JOB_ID_MAX + 1])
{
	const char *id = mm_option(facts->invocation, "job-id");

	if (id == NULL) {
		default_id(facts, out);
		return MM_OK;
	}
	if (strlen(id) > JOB_ID_MAX || !is_plain(id))
		return mm_fail(MM_E_USAGE,
		    "--job-id is 1 to %d of A-Z a-z 0-9 _ -", JOB_ID_MAX);
	snprintf(out, JOB_ID_MAX + 1, "%s", id);
	return MM_OK;
}

static enum mm_error
made(json_t *object, json_t **out)
{
	*out = object;
	return object != NULL
		   ? MM_OK
		   : mm_fail(MM_E_FORMAT, "an OTA document cannot be written");
}

/* The execution as a device gets it; formats of OTA: afr_ota. */
enum mm_error
mm_ota_job(const struct mm_ota_facts *facts, json_t **out)
{
	const struct mm_release_signed *one = facts->one;
	char id[JOB_ID_MAX + 1];
	enum mm_error error = read_id(facts, id);

	if (error != MM_OK)
		return error;
	return made(
	    json_pack("{s:{s:s, s:s, s:{s:{s:[s], s:s, s:[{s:s, s:I, s:i, "
		      "s:s, s:o}]}}}}",
		"execution", "jobId", id, "status", "QUEUED", "jobDocument",
		"afr_ota", "protocols", "MQTT", "streamname",
		said(facts, "stream", id), "files", "filepath", "/", "filesize",
		(json_int_t)one->attested.body.image.size, "fileid", 0,
		"certfile", said(facts, "certfile", "Code Verify Key"),
		"sig-sha256-ecdsa", mm_json_base64(one->answer.signature)),
	    out);
}

static json_t *
targets(const struct mm_ota_facts *facts)
{
	json_t *out = json_array();
	const char *one;

	for (size_t i = 0;
	     (one = mm_option_nth(facts->invocation, "target", i)) != NULL; i++)
		json_array_append_new(out, json_string(one));
	if (json_array_size(out) == 0)
		json_array_append_new(out,
		    json_string("arn:aws:iot:REGION:ACCOUNT:thinggroup/GROUP"));
	return out;
}

static json_t *
code_signing(const struct mm_ota_facts *facts)
{
	return json_pack("{s:{s:{s:o}, s:{s:s}, s:s, s:s}}",
	    "customCodeSigning", "signature", "inlineDocument",
	    mm_json_base64(facts->one->answer.signature), "certificateChain",
	    "certificateName", said(facts, "certfile", "Code Verify Key"),
	    "hashAlgorithm", "SHA256", "signatureAlgorithm", "ECDSA");
}

static const char *
update_id(const char *job)
{
	size_t prefix = strlen(job_prefix);

	return strncmp(job, job_prefix, prefix) == 0 && job[prefix] != '\0'
		   ? job + prefix
		   : job;
}

enum mm_error
mm_ota_update(const struct mm_ota_facts *facts, json_t **out)
{
	const struct mm_image_entry *entry = &facts->one->attested.body.image;
	char id[JOB_ID_MAX + 1], object[NAME_SIZE];
	enum mm_error error = read_id(facts, id);

	if (error != MM_OK)
		return error;
	snprintf(object, sizeof(object), "%.*s/%.*s/%s",
	    MM_SPAN(entry->product), MM_SPAN(entry->version), facts->file);
	return made(
	    json_pack("{s:s, s:s%, s:o, s:[s], s:s, s:[{s:s, s:s%, s:{s:{s:s, "
		      "s:s}}, s:o}], s:s}",
		"otaUpdateId", update_id(id), "description",
		entry->product.data, entry->product.size, "targets",
		targets(facts), "protocols", "MQTT", "targetSelection",
		"SNAPSHOT", "files", "fileName", facts->file, "fileVersion",
		entry->version.data, entry->version.size, "fileLocation",
		"s3Location", "bucket", said(facts, "bucket", "BUCKET"), "key",
		said(facts, "object", object), "codeSigning",
		code_signing(facts), "roleArn",
		said(facts, "role-arn", "arn:aws:iam::ACCOUNT:role/OTA-ROLE")),
	    out);
}

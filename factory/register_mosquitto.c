/*
 * The MQTT broker mosquitto: who is let in, and to which topics
 * (mosquitto.conf(5)).
 */
#include <string.h>

#include "factory/label.h"
#include "factory/register.h"

/* A line ends at its end, and what begins or ends with a space is not what it
 * was. */
static enum mm_error
check_word(const char *what, const char *word)
{
	size_t length = strlen(word);

	if (length > 0 && word[0] != ' ' && word[length - 1] != ' ' &&
	    strpbrk(word, "\n\r\t") == NULL)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "%s \"%s\" cannot stand in a file of mosquitto's", what, word);
}

enum mm_error
mm_register_mosquitto_conf(
    const struct mm_register_mosquitto *broker, struct mm_buffer *out)
{
	enum mm_error error = check_word("the directory", broker->place);

	if (error == MM_OK)
		error = check_word("the address", broker->address);
	if (error != MM_OK)
		return error;
	mm_buffer_printf(out,
	    "per_listener_settings true\n"
	    "listener %u %s\n"
	    "cafile %s/ca.pem\n"
	    "# the broker's own certificate and key: yours to put there\n"
	    "certfile %s/server.crt\n"
	    "keyfile %s/server.key\n"
	    "require_certificate true\n"
	    "use_identity_as_username true\n"
	    "allow_anonymous false\n"
	    "acl_file %s/acl\n",
	    broker->port, broker->address, broker->place, broker->place,
	    broker->place, broker->place);
	/* Past its nextUpdate nobody gets in: OpenSSL believes no old one. */
	if (broker->crl)
		mm_buffer_printf(out,
		    "# renew it before its nextUpdate, or nobody gets in\n"
		    "crlfile %s/crl.pem\n",
		    broker->place);
	return out->error == MM_OK
		   ? MM_OK
		   : mm_fail(out->error, "no memory for the configuration");
}

/* What stands in a topic as one level of it (MQTT 3.1.1 4.7). */
static enum mm_error
check_level(const struct mm_registration *device, const char *text)
{
	if (strpbrk(text, "/+#") == NULL)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "\"%s\" (entry %llu) has / + or #, and would be more than one "
	    "level of a topic",
	    text, (unsigned long long)device->index);
}

enum mm_error
mm_register_mosquitto_acl(const char *topic,
    const struct mm_registration *device, struct mm_buffer *out)
{
	const struct mm_label_values values = {
	    .items = {{mm_span_text("device"), mm_span_text(device->device)},
		{mm_span_text("name"), mm_span_text(device->name)}},
	    .count = 2};
	enum mm_error error = check_word("the common name", device->name);

	if (error == MM_OK)
		error = check_word("the topic", topic);
	if (error == MM_OK)
		error = check_level(device, device->device);
	if (error == MM_OK)
		error = check_level(device, device->name);
	if (error != MM_OK)
		return error;
	mm_buffer_printf(out, "\nuser %s\ntopic readwrite ", device->name);
	error = mm_label_fill(topic, &values, false, out);
	mm_buffer_add_text(out, "\n");
	return error == MM_OK ? out->error : error;
}

enum mm_error
mm_register_mosquitto_topic(const char *topic)
{
	static const char device[] = "{device}", name[] = "{name}";

	/* Two braces are one, and begin no name. */
	for (const char *at = topic; *at != '\0'; at++) {
		if (strncmp(at, device, sizeof(device) - 1) == 0 ||
		    strncmp(at, name, sizeof(name) - 1) == 0)
			return MM_OK;
		at += strncmp(at, "{{", 2) == 0;
	}
	return mm_fail(MM_E_USAGE,
	    "the topic \"%s\" has neither {device} nor {name}: every device "
	    "could read and write the topics of all others",
	    topic);
}

/*
 * AWS IoT Core: provisioning templates and lists of things (AWS IoT Core
 * Developer Guide, "Provisioning devices that have device certificates").
 */
#include <string.h>

#include "ca/certificate.h"
#include "factory/register.h"
#include "protocol/message.h"

/* CreateThing: thingName. */
static enum mm_error
check_thing(const struct mm_registration *device, const char *name)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789:_-";
	size_t length = strlen(name);

	if (length > 0 && strspn(name, allowed) == length)
		return MM_OK;
	return mm_fail(MM_E_FORMAT,
	    "\"%s\" (entry %llu) cannot be a thing's name in AWS IoT, which "
	    "has A-Z a-z 0-9 : _ and - alone",
	    name, (unsigned long long)device->index);
}

enum mm_error
mm_register_aws_first_use(const struct mm_registration *device)
{
	return check_thing(device, device->name);
}

static enum mm_error
put_pem(struct mm_span der, struct mm_buffer *out)
{
	mm_buffer_init(out, 2 * MM_CERTIFICATE_MAX);
	return mm_pem_encode("CERTIFICATE", der, out);
}

static json_t *
text_of(struct mm_span text)
{
	return json_stringn((const char *)text.data, text.size);
}

enum mm_error
mm_register_aws_row(const struct mm_register_aws *aws,
    const struct mm_registration *device, struct mm_buffer *out)
{
	mm_auto(buffer) pem = {0};
	enum mm_error error = check_thing(device, device->device);
	json_t *row;

	if (error == MM_OK)
		error = put_pem(device->certificate, &pem);
	if (error != MM_OK)
		return error;
	row = json_pack("{s:s, s:s, s:o}", "ThingName", device->device,
	    "SerialNumber", device->serial, "CertificatePem",
	    text_of(mm_buffer_span(&pem)));
	if (aws->ca.size > 0)
		json_object_set_new(row, "CACertificatePem", text_of(aws->ca));
	return mm_register_json(row, out);
}

/* --- templates --- */

/* Declared in the order of the table, each a text. */
static json_t *
parameters(const char *const *names, size_t count)
{
	json_t *out = json_object();

	for (size_t i = 0; i < count; i++)
		json_object_set_new(
		    out, names[i], json_pack("{s:s}", "Type", "String"));
	return out;
}

static json_t *
reference(const char *name)
{
	return json_pack("{s:s}", "Ref", name);
}

static json_t *
listed_thing(void)
{
	return json_pack("{s:s, s:{s:o, s:{s:o}}, s:{s:s}}", "Type",
	    "AWS::IoT::Thing", "Properties", "ThingName",
	    reference("ThingName"), "AttributePayload", "serialNumber",
	    reference("SerialNumber"), "OverrideSettings", "AttributePayload",
	    "MERGE");
}

/* A parameter that a certificate's subject lacks fails: a common name is what
 * all have. SerialNumber is not the certificate's, but the subject's. */
static json_t *
found_thing(void)
{
	return json_pack("{s:s, s:{s:o}}", "Type", "AWS::IoT::Thing",
	    "Properties", "ThingName",
	    reference("AWS::IoT::Certificate::CommonName"));
}

static json_t *
listed_certificate(const struct mm_register_aws *aws)
{
	json_t *properties = json_pack("{s:o, s:s}", "CertificatePem",
	    reference("CertificatePem"), "Status", "ACTIVE");

	if (aws->ca.size > 0)
		json_object_set_new(properties, "CACertificatePem",
		    reference("CACertificatePem"));
	else
		json_object_set_new(
		    properties, "CertificateMode", json_string("SNI_ONLY"));
	return properties;
}

static json_t *
certificate(const struct mm_register_aws *aws, bool first_use)
{
	json_t *properties = first_use
				 ? json_pack("{s:o, s:s}", "CertificateId",
				       reference("AWS::IoT::Certificate::Id"),
				       "Status", "ACTIVE")
				 : listed_certificate(aws);

	return json_pack("{s:s, s:o, s:{s:s}}", "Type", "AWS::IoT::Certificate",
	    "Properties", properties, "OverrideSettings", "Status", "REPLACE");
}

static enum mm_error
policy(const struct mm_register_aws *aws, json_t **out)
{
	mm_autofree char *text = NULL;
	json_t *document, *properties;

	if ((aws->policy != NULL) == (aws->document.size > 0))
		return mm_fail(MM_E_USAGE,
		    "a template has a policy's name or a policy's document, "
		    "one of them");
	if (aws->policy != NULL) {
		properties = json_pack("{s:s}", "PolicyName", aws->policy);
	} else {
		document = json_loadb((const char *)aws->document.data,
		    aws->document.size, JSON_REJECT_DUPLICATES, NULL);
		if (json_is_object(document))
			text = json_dumps(document, JSON_COMPACT);
		json_decref(document);
		if (text == NULL)
			return mm_fail(MM_E_FORMAT,
			    "the policy's document is no JSON object");
		properties = json_pack("{s:s}", "PolicyDocument", text);
	}
	*out = json_pack(
	    "{s:s, s:o}", "Type", "AWS::IoT::Policy", "Properties", properties);
	return MM_OK;
}

enum mm_error
mm_register_aws_template(
    const struct mm_register_aws *aws, bool first_use, struct mm_buffer *out)
{
	static const char *const listed[] = {
	    "ThingName", "SerialNumber", "CertificatePem", "CACertificatePem"};
	static const char *const found[] = {
	    "AWS::IoT::Certificate::CommonName", "AWS::IoT::Certificate::Id"};
	const char *const *names = first_use ? found : listed;
	size_t count = first_use ? MM_COUNT(found) : MM_COUNT(listed);
	size_t before = out->size;
	json_t *one = NULL, *template;
	enum mm_error error = policy(aws, &one);

	if (error != MM_OK)
		return error;
	if (!first_use && aws->ca.size == 0)
		count--;
	template = json_pack("{s:o, s:{s:o, s:o, s:o}}", "Parameters",
	    parameters(names, count), "Resources", "thing",
	    first_use ? found_thing() : listed_thing(), "certificate",
	    certificate(aws, first_use), "policy", one);
	error = mm_register_json(template, out);
	if (error == MM_OK && out->size - before > MM_REGISTER_TEMPLATE)
		return mm_fail(MM_E_RANGE,
		    "the template has %zu bytes; AWS IoT takes %d: name a "
		    "policy that is there instead of bringing a document",
		    out->size - before, MM_REGISTER_TEMPLATE);
	return error;
}

enum mm_error
mm_register_aws_config(
    struct mm_span template, const char *role, struct mm_buffer *out)
{
	return mm_register_json(json_pack("{s:o, s:s}", "templateBody",
				    text_of(template), "roleArn", role),
	    out);
}

#include <arpa/inet.h>
#include <string.h>

#include "ca/request.h"
#include "ca/tbs.h"

static enum mm_error
check_subject(const struct mm_certificate_plan *plan)
{
	if (plan->profile->purpose == MM_PURPOSE_DEVICE)
		return mm_device_check(plan->subject);
	if (plan->subject.size < 1 || plan->subject.size > 64 ||
	    !mm_text_ok(plan->subject))
		return mm_fail(MM_E_CERTIFICATE,
		    "subject: the name is not 1 to 64 bytes of text");
	return MM_OK;
}

static enum mm_error
check_key(const struct mm_form *form)
{
	if (form->plan->profile->keys >> form->key.type & 1)
		return MM_OK;
	return mm_fail(MM_E_KEY_TYPE,
	    "profile %.*s does not allow keys of the kind %s",
	    MM_SPAN(form->plan->profile->name),
	    mm_key_type_name(form->key.type));
}

/* A certificate that signs itself proves its key and nothing else. */
static enum mm_error
check_self_signed(const struct mm_form *form)
{
	uint64_t purpose = form->plan->profile->purpose;

	if (purpose != MM_PURPOSE_CA && purpose != MM_PURPOSE_CODE_SIGNING)
		return mm_fail(MM_E_CERTIFICATE,
		    "issuer: only CA and code-signing certificates may sign "
		    "themselves");
	if (form->key.type != MM_KEY_P256)
		return mm_fail(MM_E_KEY_TYPE,
		    "issuer: only a P-256 key may sign itself here");
	return MM_OK;
}

/* RFC 5280 4.2.1.9: pathLenConstraint counts the CAs that may follow. */
static enum mm_error
check_path(const struct mm_form *form)
{
	const struct mm_profile *profile = form->plan->profile;
	const struct mm_tbs *issuer = &form->issuer;

	if (profile->purpose != MM_PURPOSE_CA || !issuer->path)
		return MM_OK;
	if (issuer->path_length == 0 ||
	    (profile->path && profile->path_length >= issuer->path_length))
		return mm_fail(MM_E_CERTIFICATE,
		    "basicConstraints: the issuer's path length of %llu does "
		    "not allow this CA",
		    (unsigned long long)issuer->path_length);
	return MM_OK;
}

static enum mm_error
check_issuer(struct mm_form *form)
{
	enum mm_error error =
	    mm_issuer_read(form->plan->issuer, &form->arena, &form->issuer);

	if (error != MM_OK)
		return error;
	if (!form->issuer.ca ||
	    (form->issuer.key_usage & MM_KU_KEY_CERT_SIGN) == 0)
		return mm_fail(
		    MM_E_CERTIFICATE, "issuer: it is no CA's certificate");
	if (form->issuer.key.type != MM_KEY_P256)
		return mm_fail(
		    MM_E_CERTIFICATE, "issuer: its key is not of P-256");
	return check_path(form);
}

/* GnuTLS takes what is later for 99991231235959Z. */
#define TIME_LAST UINT64_C(253402210799)

/* The end by the profile; UINT64_MAX where it cannot be written. */
static uint64_t
end_of(const struct mm_profile *profile, uint64_t start)
{
	if (profile->validity - 1 > TIME_LAST - start)
		return UINT64_MAX;
	return start + profile->validity - 1;
}

static enum mm_error
reckon_times(struct mm_form *form)
{
	const struct mm_profile *profile = form->plan->profile;
	uint64_t now = form->plan->now;

	if (now < profile->backdate || now > TIME_LAST)
		return mm_fail(MM_E_CERTIFICATE,
		    "validity: the clock is too early or too late");
	form->not_before = now - profile->backdate;
	form->not_after = UINT64_MAX;
	if (profile->validity != 0) {
		form->not_after = end_of(profile, form->not_before);
		if (form->not_after == UINT64_MAX)
			return mm_fail(MM_E_CERTIFICATE,
			    "validity: it would end after the year 9999");
	}
	if (form->self_signed)
		return MM_OK;
	if (form->not_before < form->issuer.not_before)
		form->not_before = form->issuer.not_before;
	if (form->not_before > now)
		return mm_fail(
		    MM_E_CERTIFICATE, "validity: the issuer's has not begun");
	if (form->not_after > form->issuer.not_after)
		return mm_fail(MM_E_CERTIFICATE,
		    "validity: it would end after the issuer's; renew the "
		    "issuer or shorten profile %.*s",
		    MM_SPAN(profile->name));
	return MM_OK;
}

size_t
mm_ip_address(struct mm_span name, uint8_t out[16])
{
	char text[INET6_ADDRSTRLEN];

	if (name.size >= sizeof(text))
		return 0;
	mm_span_string(name, text, sizeof(text));
	if (inet_pton(AF_INET, text, out) == 1)
		return 4;
	return inet_pton(AF_INET6, text, out) == 1 ? 16 : 0;
}

bool
mm_form_is_server(const struct mm_form *form)
{
	return form->plan->profile->purpose == MM_PURPOSE_SERVER;
}

struct mm_list
mm_form_names(const struct mm_form *form)
{
	return mm_form_is_server(form) ? form->plan->names
				       : (struct mm_list){NULL, 0};
}

static enum mm_error
check_alternatives(const struct mm_certificate_plan *plan)
{
	enum mm_error error = MM_OK;
	mm_auto(buffer) filled = {0};

	mm_buffer_init(&filled, MM_ALTERNATIVE_MAX);
	for (mm_list_each(
		 const struct mm_alternative, one, plan->profile->names)) {
		error = mm_alternative_fill(one, plan->subject, &filled);
		if (error != MM_OK)
			return error;
		mm_buffer_reset(&filled);
	}
	return MM_OK;
}

static enum mm_error
check_names(const struct mm_certificate_plan *plan)
{
	uint8_t address[16];

	if (plan->profile->purpose != MM_PURPOSE_SERVER)
		return MM_OK;
	if (plan->names.count == 0)
		return mm_fail(MM_E_CERTIFICATE,
		    "subjectAltName: a server has a name or an address");
	for (mm_list_each(const struct mm_text_item, item, plan->names))
		if (mm_ip_address(item->value, address) == 0 &&
		    !mm_is_dns_name(item->value))
			return mm_fail(MM_E_CERTIFICATE,
			    "subjectAltName: \"%.*s\" is neither a DNS name "
			    "nor an IP address",
			    MM_SPAN(item->value));
	return MM_OK;
}

static enum mm_error
judge(struct mm_form *form)
{
	enum mm_error error = mm_profile_check(form->plan->profile);

	if (error == MM_OK)
		error = check_subject(form->plan);
	if (error == MM_OK)
		error = check_key(form);
	if (error == MM_OK)
		error = form->self_signed ? check_self_signed(form)
					  : check_issuer(form);
	if (error == MM_OK)
		error = check_names(form->plan);
	if (error == MM_OK)
		error = check_alternatives(form->plan);
	return error != MM_OK ? error : reckon_times(form);
}

enum mm_error
mm_form_init(struct mm_form *form, const struct mm_certificate_plan *plan,
    struct mm_span spki, const struct mm_key *key)
{
	*form = (struct mm_form){.plan = plan,
	    .self_signed = plan->issuer.size == 0,
	    .spki = spki,
	    .key = *key};
	mm_arena_init(&form->arena, 2 * MM_TBS_MAX);
	return judge(form);
}

void
mm_form_clear(struct mm_form *form)
{
	if (form != NULL)
		mm_arena_clear(&form->arena);
}

const uint8_t *
mm_form_authority(const struct mm_form *form)
{
	return form->self_signed ? form->key.ski : form->issuer.key.ski;
}

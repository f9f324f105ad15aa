/*
 * Certificates of TLS clients and servers, and the rules that all
 * certificates of devices have in common with them.
 */
#include "ca/lint_parts.h"

bool
mm_lint_is_leaf(struct mm_lint_case *c)
{
	return !c->own.ca || mm_lint_find(c, "it is a CA's");
}

bool
mm_lint_has_authority_key(struct mm_lint_case *c)
{
	return c->own.aki.size > 0 ||
	       mm_lint_find(c, "it has no authorityKeyIdentifier");
}

bool
mm_lint_usage(struct mm_lint_case *c, uint64_t must, uint64_t may)
{
	const struct mm_lint_view *own = &c->own;

	if (own->usage == NULL)
		return mm_lint_find(c, "it has no keyUsage");
	if (!own->usage->critical)
		return mm_lint_find(c, "keyUsage is not critical");
	if ((own->key_usage & must) != must)
		return mm_lint_find(c,
		    "keyUsage lacks a bit that must be set: it is 0x%llx",
		    (unsigned long long)own->key_usage);
	return (own->key_usage & ~may) == 0 ||
	       mm_lint_find(c,
		   "keyUsage has a bit that may not be set: it is 0x%llx",
		   (unsigned long long)own->key_usage);
}

/* RFC 8446 4.4.2.2: with keyUsage there, digitalSignature is set. */
bool
mm_lint_may_sign_tls(struct mm_lint_case *c)
{
	return c->own.usage == NULL ||
	       (c->own.key_usage & MM_KU_DIGITAL_SIGNATURE) != 0 ||
	       mm_lint_find(c, "keyUsage has no digitalSignature, by which "
			       "TLS 1.3 proves the key");
}

static bool
for_clients(struct mm_lint_case *c)
{
	return MM_LINT_HAS(&c->own, MM_LINT_CLIENT_AUTH) ||
	       mm_lint_find(c, "extendedKeyUsage has no clientAuth");
}

static bool
for_servers(struct mm_lint_case *c)
{
	return MM_LINT_HAS(&c->own, MM_LINT_SERVER_AUTH) ||
	       mm_lint_find(c, "extendedKeyUsage has no serverAuth");
}

/* RFC 9525 4.1: names are in the subjectAltName and nowhere else. */
static bool
server_named(struct mm_lint_case *c)
{
	for (size_t i = 0; i < c->own.general_count; i++)
		if (c->own.general[i].tag == (MM_DER_CONTEXT | 2) ||
		    c->own.general[i].tag == (MM_DER_CONTEXT | 7))
			return true;
	return mm_lint_find(
	    c, "subjectAltName has neither a DNS name nor an IP address");
}

static const struct mm_lint_rule client[] = {
    {"RFC 5280 4.2.1.9", mm_lint_is_leaf},
    {"RFC 8446 4.4.2.2", mm_lint_may_sign_tls},
    {"RFC 5280 4.2.1.12", for_clients},
};
const struct mm_lint_rules mm_lint_tls_client = {client, MM_COUNT(client)};

static const struct mm_lint_rule server[] = {
    {"RFC 5280 4.2.1.9", mm_lint_is_leaf},
    {"RFC 8446 4.4.2.2", mm_lint_may_sign_tls},
    {"RFC 5280 4.2.1.12", for_servers},
    {"RFC 9525 4.1", server_named},
};
const struct mm_lint_rules mm_lint_tls_server = {server, MM_COUNT(server)};

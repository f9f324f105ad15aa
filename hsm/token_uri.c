#include "hsm/token_uri.h"

static bool
names_token(P11KitUri *uri)
{
	const CK_TOKEN_INFO *info = p11_kit_uri_get_token_info(uri);

	/* p11-kit leaves what the URI does not name zero. */
	return info->label[0] != 0 || info->serialNumber[0] != 0;
}

/* The reason to refuse a URI that parses, or NULL. */
static const char *
refusal(P11KitUri *uri)
{
	if (p11_kit_uri_get_pin_value(uri) != NULL ||
	    p11_kit_uri_get_pin_source(uri) != NULL)
		return "a PIN does not belong into it: say token pin_file";
	if (p11_kit_uri_get_module_name(uri) != NULL ||
	    p11_kit_uri_get_module_path(uri) != NULL)
		return "the module has a setting of its own";
	if (p11_kit_uri_any_unrecognized(uri))
		return "it may say token, serial, manufacturer and model, "
		       "nothing else";
	if (!names_token(uri))
		return "it must name a token or a serial";
	return NULL;
}

enum mm_error
mm_token_uri_parse(const char *text, P11KitUri **out)
{
	P11KitUri *uri = p11_kit_uri_new();
	const char *why;
	int result;

	if (uri == NULL)
		return mm_fail(MM_E_MEMORY, "no memory for a token URI");
	result = p11_kit_uri_parse(
	    text, P11_KIT_URI_FOR_TOKEN | P11_KIT_URI_FOR_MODULE, uri);
	why = result == P11_KIT_URI_OK ? refusal(uri)
				       : p11_kit_uri_message(result);
	if (why != NULL) {
		p11_kit_uri_free(uri);
		/* Not the URI itself: there may be a PIN in it. */
		return mm_fail(
		    MM_E_SETTING, "the token URI is refused: %s", why);
	}
	*out = uri;
	return MM_OK;
}

bool
mm_token_uri_match(const P11KitUri *uri, const CK_TOKEN_INFO *info)
{
	return (info->flags & CKF_TOKEN_INITIALIZED) != 0 &&
	       p11_kit_uri_match_token_info(uri, info) == 1;
}

"""TLS towards the broker, and what its faults mean. The ssl module is loaded only when a connection wants it: it costs 2 MB."""

from typing import TYPE_CHECKING

from pathwarden.errors import ConfigError
from pathwarden.model.settings import MqttSettings

if TYPE_CHECKING:
    import ssl

NOT_YET_VALID = 9
# X509_V_ERR_... of OpenSSL's x509_vfy.h: what it says of the broker's certificate, and what helps.
_UNKNOWN_SIGNER = (
    "mqtt.ca_file: nobody whom this machine trusts has signed the broker's certificate;"
    " put the certificate of its authority into mqtt.ca_file"
)
_WRONG_NAME = "mqtt.host: the broker's certificate is for another name than {host}; set mqtt.host to a name that is in it"
_OF_CERTIFICATE = {
    NOT_YET_VALID: "mqtt.tls: the broker's certificate is not valid yet; look at its dates",
    10: "mqtt.tls: the broker's certificate has expired; renew it",
    18: _UNKNOWN_SIGNER,
    19: _UNKNOWN_SIGNER,
    20: _UNKNOWN_SIGNER,
    21: _UNKNOWN_SIGNER,
    62: _WRONG_NAME,
    64: _WRONG_NAME,
}
_CLOCK = "mqtt.tls: the broker's certificate is not valid yet by this machine's clock, which is not right yet; waiting for the right time"
# What OpenSSL calls an answer that is no TLS, and a line that ends instead of an answer.
_NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE", "PACKET_LENGTH_TOO_LONG", "UNEXPECTED_EOF_WHILE_READING")


def context(settings: MqttSettings) -> "ssl.SSLContext":
    """What a connection needs: the broker's certificate is always checked. Raises `ConfigError` if a file cannot be used."""
    try:
        import ssl
    except ImportError:  # on OpenWrt a package of its own
        raise ConfigError("mqtt.tls: this Python has no ssl module", "install python3-openssl") from None

    class Socket(ssl.SSLSocket):
        """paho leaves a socket whose handshake failed to the garbage collector, and the error keeps it alive."""

        def do_handshake(self, block: bool = False) -> None:
            try:
                super().do_handshake(block)
            except BaseException:
                self.close()
                raise

    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.sslsocket_class = Socket
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        if settings.ca_file:
            made.load_verify_locations(settings.ca_file)
        else:
            made.load_default_certs()
    except OSError as error:  # ssl.SSLError is one
        raise ConfigError(f"mqtt.ca_file: {settings.ca_file} {_unusable(error)}", "put a certificate in PEM form there") from error
    if settings.cert_file:
        try:
            # OpenSSL would ask for a passphrase on the terminal.
            made.load_cert_chain(settings.cert_file, settings.key_file, password="")
        except OSError as error:
            files = f"{settings.cert_file} and {settings.key_file}"
            remedy = "put a certificate and its key there in PEM form, without a passphrase, readable by the daemon's user"
            raise ConfigError(f"mqtt.key_file: {files} {_unusable(error)}", remedy) from error
    return made


def waits_for_clock(error: OSError | None, *, clock_synced: bool) -> bool:
    """Whether all that is wrong may be this machine's clock."""
    return not clock_synced and getattr(error, "verify_code", 0) == NOT_YET_VALID


def fault(error: OSError, host: str, place: str, *, clock_synced: bool) -> str:
    """The operator's line for an error while TLS was wanted; '' if TLS has no part in it."""
    if waits_for_clock(error, clock_synced=clock_synced):
        return _CLOCK
    code = getattr(error, "verify_code", 0)
    if code:
        said = getattr(error, "verify_message", "")
        return _OF_CERTIFICATE.get(code, f"mqtt.tls: the broker's certificate is refused ({said}); look at it").format(host=host)
    reason = getattr(error, "reason", None)
    if reason is None and not isinstance(error, ConnectionResetError):
        return ""
    if reason is None or reason in _NO_TLS or "EOF" in str(error):
        return f"mqtt.tls: {place} does not answer with TLS; set mqtt.tls to 0, or mqtt.port to the broker's port for TLS, usually 8883"
    words = str(reason).lower().replace("_", " ")
    return f"mqtt.tls: no TLS with {place} ({words}); check mqtt.cert_file and mqtt.key_file, and look at the broker's log"


def _unusable(error: OSError) -> str:
    words = (getattr(error, "reason", None) or error.strerror or "no certificate").lower().replace("_", " ")
    return f"cannot be used ({words})"

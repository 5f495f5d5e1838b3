"""How a private key looks in a text: its header, the text after it, its end. One source for the guard and for logs.

Judges nothing. A header alone is not a secret: scripts look for it.
"""

import re

PUTTY = "PuTTY-User-Key-File"
# A key has its text after the header, perhaps as `\n` in JSON.
KEY_LINE = re.compile(r" ?-{4,5}(?:\s|\\r|\\n){1,8}(?:[A-Z][A-Za-z-]{3,20}: |[A-Za-z0-9+/=]{16})")
ENCRYPTED = r"-----BEGIN ENCRYPTED PRIVATE KEY-----(?:\s|\\r|\\n){1,8}[A-Za-z0-9+/=]{16}"  # of PKCS 8

HEADER = re.compile(rf"-{{4,5}} ?BEGIN [A-Z0-9 ]{{0,40}}PRIVATE KEY(?: BLOCK)? ?-{{4,5}}|{PUTTY}-\d{{1,2}}:")
END = re.compile(r"-{4,5} ?END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)? ?-{4,5}|Private-MAC:")
# Text of a key within a line. A capital letter or a digit is demanded: a path of small letters is not a key.
RUN = re.compile(
    r"(?<![A-Za-z0-9+/=])(?=[a-z/+]{0,15}[A-Z0-9=])[A-Za-z0-9+/=]{16,}(?:(?:\\[rn]){1,4}[A-Za-z0-9+/=]+)*"
)

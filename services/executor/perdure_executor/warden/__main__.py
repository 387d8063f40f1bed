"""Start the warden: run as a file by an interpreter without site, so that it stays small."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))

# Found only with the path above.
from perdure_executor.warden.launcher import main

main(sys.argv[1])

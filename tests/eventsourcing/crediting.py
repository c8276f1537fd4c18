"""Credits one account COUNT times, in rivalry with other processes; prints how often it lost.

crediting.py DIRECTORY ACCOUNT COUNT
"""

import sys
from decimal import Decimal
from uuid import UUID

from eventsourcing.persistence import IntegrityError

from tests.eventsourcing.models import Accounts

directory, account_id, count = sys.argv[1:]
lost = 0
with Accounts({"PERSISTENCE_MODULE": "pyesdb.eventsourcing", "PYESDB_DATA_DIR": directory}) as app:
    sys.stdin.readline()  # all start at once
    done = 0
    while done < int(count):
        account = app.repository.get(UUID(account_id))
        account.credit(Decimal(1))
        try:
            app.save(account)
            done += 1
        except IntegrityError:
            lost += 1
print(lost)

"""The control state's one `MetaData`, and the tables of people, keys, the audit and reports.

Other nouns define their tables in their own module on the same `metadata`. Times are UTC
microseconds; secrets are stored as SHA-256 digests, passwords as argon2id hashes.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

people = Table(
    "people",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("email", String(320), nullable=False, unique=True),  # lower case
    Column("name", String(200), nullable=False),
    Column("password", Text, nullable=False),
    Column("role", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

invitations = Table(
    "invitations",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("role", String(20), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Column("used_at", BigInteger),
)

sessions = Table(
    "sessions",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("person", ForeignKey("people.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("seen_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
    Index("ix_sessions_person", "person"),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("prefix", String(16), nullable=False, unique=True),
    Column("digest", String(64), nullable=False),
    Column("name", String(100), nullable=False),
    Column("scopes", JSON, nullable=False),  # ["ingest", "read", "admin"]
    Column("products", JSON(none_as_null=True)),  # null: every product
    Column("origins", JSON(none_as_null=True)),  # of a public key: the sites that may use it
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(40), nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

audit = Table(
    "audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("at", BigInteger, nullable=False),
    Column("who", String(320), nullable=False),  # viewer id, or the e-mail that was tried
    Column("action", String(40), nullable=False),
    Column("about", String(320), nullable=False, default=""),
    Column("address", String(64), nullable=False, default=""),
    Index("ix_audit_at", "at"),
)

reports = Table(
    "reports",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("month", String(7), nullable=False),  # 2026-10
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(40), nullable=False),
    Column("answers", LargeBinary, nullable=False),  # the frozen answers behind it, as JSON
    Index("ix_reports_created_at", "created_at"),
)

report_files = Table(
    "report_files",
    metadata,
    Column("report", ForeignKey("reports.id", ondelete="CASCADE"), primary_key=True),
    Column("format", String(10), primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

-- A restore begins another history of the same deployment: one row if this registry came out of one.
CREATE TABLE histories (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1),
    id UUID NOT NULL
);

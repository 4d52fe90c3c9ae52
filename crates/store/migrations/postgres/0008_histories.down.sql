-- Only where no restore began a history; the program looks before it runs this.
DROP TABLE histories;

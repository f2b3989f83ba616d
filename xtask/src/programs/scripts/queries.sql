create table people(id integer primary key, name text unique, born integer, pay real check (pay > 0));
insert into people(name, born, pay) values('Ada', 1815, 10.5), ('Alan', 1912, 20), ('Grace', 1906, 30.25);
insert into people(name, born, pay) values('Ada', 1, 1);
insert into people(name, born, pay) values('Nobody', 1, -1);
select * from people order by born desc;
.mode column
.headers on
select name, pay * 2 as twice, typeof(pay) from people where name like 'A%';
.mode list
.headers off
with recursive n(i) as (select 1 union all select i + 1 from n where i < 5000) insert into people(name, born, pay) select 'p' || i, 1900 + i % 100, i / 7.0 + 1 from n;
create index by_born on people(born);
select count(*), round(avg(pay), 6), min(name), max(name) from people;
select born, count(*) from people group by born having count(*) > 50 order by born limit 3;
explain query plan select * from people where born = 1950;
select name, rank() over (order by pay desc) from people limit 3;
select json_extract('{"a": [1, {"b": 2}]}', '$.a[1].b'), hex('blob'), printf('%05.2f', 3.14159), upper('x'), instr('hello', 'l'), date('2024-02-28', '+2 days'), 7 / 2, 7 % 3, 1e999;
begin; delete from people where id % 2; select count(*) from people; savepoint s; delete from people; rollback to s; select count(*) from people; rollback;
select count(*) from people;
create table log(what text); create trigger noted after update on people begin insert into log values(old.name || ' ' || new.pay); end;
update people set pay = pay + 1 where id < 4; select * from log;
create virtual table words using fts5(body); insert into words values('the quick fox'), ('a lazy dog'), ('quick quick'); select rowid from words where words match 'quick' order by rank, rowid;
create view elders as select name from people where born < 1902; select count(*) from elders;
pragma journal_mode = wal; insert into log values('in wal'); pragma wal_checkpoint(truncate); pragma journal_mode = delete;
attach 'other.db' as other; create table other.copy as select * from people where id < 100; select count(*) from other.copy; detach other;
pragma integrity_check; pragma foreign_key_check; vacuum; pragma page_size; select count(*) from sqlite_master;
select * from nothing;
.output dump.sql
.dump log
.output stdout
drop table log;
.read dump.sql
.shell /usr/bin/wc -l < dump.sql
.tables

create table t(id integer primary key, n integer, text text);
with recursive c(x) as (select 1 union all select x + 1 from c where x < @MB@ * 1400)
  insert into t select x, x * 2654435761 % 1000000007, replace(hex(zeroblob(64)), '00', printf('%08x', x * 40503)) from c;
create index by_n on t(n);
select count(*), sum(n), sum(length(text)) from t;
update t set text = upper(text) || id where id % 7 = 0;
delete from t where n % 11 = 3;
select count(*), sum(n), sum(length(text)), max(text) from t;
select id, n, substr(text, 1, 20) from t order by n desc limit 20;
select n % 13, count(*), min(text), max(substr(text, 3, 9)) from t group by n % 13 order by 1;
pragma integrity_check;

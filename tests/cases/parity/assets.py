from airflow.sdk import DAG, task, dag
from airflow.sdk import Asset, AssetAlias
with DAG('assets', schedule=[Asset('s3://a'), AssetAlias('b')]):
    @task(outlets=[Asset('s3://c')])
    def one(): ...
    one()
